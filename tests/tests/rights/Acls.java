import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.common.acl.AccessControlEntry;
import org.apache.kafka.common.acl.AclBinding;
import org.apache.kafka.common.acl.AclOperation;
import org.apache.kafka.common.acl.AclPermissionType;
import org.apache.kafka.common.resource.PatternType;
import org.apache.kafka.common.resource.ResourcePattern;
import org.apache.kafka.common.resource.ResourceType;

/**
 * Gives and takes rights on the cluster at the address in the first argument, one a line of standard
 * input: {@code add|remove USER OPERATION RESOURCE NAME PATTERN}. What kafka-acls does, without a
 * virtual machine for each. A line of output for each: the broker goes by it now.
 */
public final class Acls {
    public static void main(String[] args) throws Exception {
        var lines = new BufferedReader(new InputStreamReader(System.in));
        try (Admin admin = Admin.create(Map.of("bootstrap.servers", args[0]))) {
            for (String line = lines.readLine(); line != null; line = lines.readLine()) {
                String[] words = line.split(" ");
                var resource = new ResourcePattern(ResourceType.fromString(words[3]), words[4], PatternType.fromString(words[5]));
                var operation = AclOperation.fromString(words[2]);
                var binding = new AclBinding(resource, new AccessControlEntry("User:" + words[1], "*", operation, AclPermissionType.ALLOW));
                boolean adds = words[0].equals("add");
                if (adds) {
                    admin.createAcls(List.of(binding)).all().get();
                } else {
                    admin.deleteAcls(List.of(binding.toFilter())).all().get();
                }
                while (admin.describeAcls(binding.toFilter()).values().get().isEmpty() == adds) {
                    Thread.sleep(10);
                }
                System.out.println("done");
            }
        }
    }
}
