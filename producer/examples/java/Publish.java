import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.security.SecureRandom;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;
import org.apache.avro.Schema;
import org.apache.avro.SchemaNormalization;
import org.apache.avro.generic.GenericData;
import org.apache.avro.generic.GenericDatumWriter;
import org.apache.avro.generic.GenericRecord;
import org.apache.avro.generic.GenericRecordBuilder;
import org.apache.avro.io.BinaryEncoder;
import org.apache.avro.io.EncoderFactory;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * Publishes activations straight to Kafka, without the agent: what an integration has to do itself.
 *
 * <pre>
 *     mvn dependency:copy-dependencies -DoutputDirectory=target/lib
 *     java -cp 'target/lib/*' Publish.java --brokers kafka:9092 --key-file key --kiosk-id counter-3 \
 *         --outbox counter-3.outbox --home-region 18.71 \
 *         --schema ../../../schemas/avsc/activation_event.avsc < niks
 * </pre>
 *
 * Standard input has one NIK a line. What an earlier run left in the outbox is sent first, with
 * the event ids and sequences that it has.
 */
public final class Publish {
    record Sealed(byte[] key, byte[] value) {}

    /** The subject: it stands for the citizen everywhere outside this process. */
    static byte[] pseudonym(byte[] key, String nik) throws Exception {
        Mac mac = Mac.getInstance("HmacSHA256");
        mac.init(new SecretKeySpec(key, "HmacSHA256"));
        return Arrays.copyOf(mac.doFinal(nik.getBytes(StandardCharsets.US_ASCII)), 16);
    }

    /** A UUID ordered by time (version 7). An event keeps its own on every retry. */
    static byte[] uuid7(SecureRandom random) {
        byte[] id = new byte[16];
        random.nextBytes(id);
        byte[] instant = ByteBuffer.allocate(8).putLong(System.currentTimeMillis()).array();
        System.arraycopy(instant, 2, id, 0, 6);
        id[6] = (byte) (id[6] & 0x0f | 0x70);
        id[8] = (byte) (id[8] & 0x3f | 0x80);
        return id;
    }

    /** The header of Avro's single-object encoding: a mark, and the schema's fingerprint. */
    static byte[] singleObject(Schema schema) {
        return ByteBuffer.allocate(10).order(ByteOrder.LITTLE_ENDIAN).put((byte) 0xC3).put((byte) 1)
                .putLong(SchemaNormalization.parsingFingerprint64(schema)).array();
    }

    /** The header of Confluent's framing: a zero, and the schema's id in the registry. */
    static byte[] confluent(String avsc, String registry, String subject) throws Exception {
        ObjectMapper json = new ObjectMapper();
        HttpRequest request = HttpRequest // it answers the id it has, or a new one
                .newBuilder(URI.create(registry + "/subjects/" + subject + "/versions"))
                .header("Content-Type", "application/vnd.schemaregistry.v1+json")
                .POST(HttpRequest.BodyPublishers.ofString(
                        json.writeValueAsString(Map.of("schema", avsc))))
                .build();
        HttpResponse<String> answer =
                HttpClient.newHttpClient().send(request, HttpResponse.BodyHandlers.ofString());
        if (answer.statusCode() != 200) {
            throw new IOException("the registry answers " + answer.statusCode() + ": " + answer.body());
        }
        int id = json.readTree(answer.body()).required("id").intValue();
        return ByteBuffer.allocate(5).put((byte) 0).putInt(id).array(); // big endian
    }

    /**
     * The next sequence, and the records that Kafka has not confirmed: one file, replaced whole.
     * Without it a number would be lost or given twice when the machine stops between giving it
     * and sending it. One process may use it.
     */
    static final class Outbox {
        private static final HexFormat HEX = HexFormat.of();
        private final Path path;
        long nextSequence = 1;
        List<Sealed> records = new ArrayList<>();

        Outbox(Path path) throws IOException {
            this.path = path.toAbsolutePath();
            if (Files.exists(path)) {
                List<String> lines = Files.readAllLines(path);
                nextSequence = Long.parseLong(lines.get(0));
                for (String line : lines.subList(1, lines.size())) {
                    String[] parts = line.split(" ");
                    records.add(new Sealed(HEX.parseHex(parts[0]), HEX.parseHex(parts[1])));
                }
            }
        }

        void save() throws IOException {
            StringBuilder text = new StringBuilder().append(nextSequence).append('\n');
            for (Sealed record : records) {
                text.append(HEX.formatHex(record.key())).append(' ')
                        .append(HEX.formatHex(record.value())).append('\n');
            }
            Path written = path.resolveSibling(path.getFileName() + ".new");
            try (FileChannel file = FileChannel.open(written, StandardOpenOption.CREATE,
                    StandardOpenOption.WRITE, StandardOpenOption.TRUNCATE_EXISTING)) {
                ByteBuffer bytes = StandardCharsets.US_ASCII.encode(text.toString());
                while (bytes.hasRemaining()) {
                    file.write(bytes);
                }
                file.force(true);
            }
            Files.move(written, path, StandardCopyOption.ATOMIC_MOVE);
            try (FileChannel directory = FileChannel.open(path.getParent())) {
                directory.force(true); // as Linux lets one
            }
        }
    }

    /** Sends what is in the outbox, and keeps what Kafka has not confirmed. */
    static int ship(Outbox outbox, String brokers, String topic) throws Exception {
        Map<String, Object> settings = Map.of(
                "bootstrap.servers", brokers,
                "acks", "all",
                "enable.idempotence", true);
        // No partitioner is set: Java's own puts a record with a key where all others do.
        List<Sealed> left = new ArrayList<>();
        try (KafkaProducer<byte[], byte[]> producer =
                new KafkaProducer<>(settings, new ByteArraySerializer(), new ByteArraySerializer())) {
            List<Future<RecordMetadata>> deliveries = new ArrayList<>();
            for (Sealed record : outbox.records) {
                deliveries.add(producer.send(new ProducerRecord<>(topic, record.key(), record.value())));
            }
            producer.flush();
            for (int place = 0; place < deliveries.size(); place++) {
                try {
                    deliveries.get(place).get();
                } catch (ExecutionException error) {
                    System.err.println("not delivered: " + error.getCause());
                    left.add(outbox.records.get(place));
                }
            }
        }
        int confirmed = outbox.records.size() - left.size();
        outbox.records = left;
        outbox.save();
        return confirmed;
    }

    public static void main(String[] arguments) throws Exception {
        Map<String, String> options = new HashMap<>(
                Map.of("--topic", "ikd.events.v1", "--channel", "office"));
        for (int place = 0; place + 1 < arguments.length; place += 2) {
            options.put(arguments[place], arguments[place + 1]);
        }
        for (String name : List.of("--brokers", "--schema", "--key-file", "--kiosk-id", "--outbox", "--home-region")) {
            if (!options.containsKey(name)) {
                System.err.println(name + " is missing; see the comment in Publish.java");
                System.exit(2);
            }
        }
        byte[] key = HexFormat.of().parseHex(Files.readString(Path.of(options.get("--key-file"))).strip());
        if (key.length != 32) {
            throw new IllegalArgumentException("the key must have 64 hexadecimal digits");
        }
        String avsc = Files.readString(Path.of(options.get("--schema")));
        Schema schema = new Schema.Parser().parse(avsc);
        String topic = options.get("--topic");
        byte[] header = options.containsKey("--registry")
                ? confluent(avsc, options.get("--registry"), topic + "-value")
                : singleObject(schema);

        Schema activated = schema.getField("fact").schema().getTypes().stream()
                .filter(branch -> branch.getName().equals("Activated")).findFirst().orElseThrow();
        Schema channel = activated.getField("channel").schema();
        String home = options.get("--home-region");
        SecureRandom random = new SecureRandom();
        Outbox outbox = new Outbox(Path.of(options.get("--outbox")));
        int number = 0;
        for (String nik : new String(System.in.readAllBytes(), StandardCharsets.UTF_8).lines().toList()) {
            number++;
            if (!nik.matches("[0-9]{16}")) { // and the message never has the line itself
                throw new IllegalArgumentException("line " + number + " is not a NIK");
            }
            byte[] subject = pseudonym(key, nik);
            GenericRecord event = new GenericRecordBuilder(schema)
                    .set("event_id", fixed(schema, "event_id", uuid7(random)))
                    .set("kiosk_id", options.get("--kiosk-id"))
                    .set("sequence", outbox.nextSequence)
                    .set("occurred_at", System.currentTimeMillis())
                    .set("subject", fixed(schema, "subject", subject))
                    .set("home_region", home)
                    .set("service_region", options.getOrDefault("--service-region", home))
                    .set("outreach_id", null)
                    .set("fact", new GenericRecordBuilder(activated)
                            .set("channel", new GenericData.EnumSymbol(channel, options.get("--channel")))
                            .set("venue", null)
                            .set("first_time_holder", false)
                            .build())
                    .build();
            ByteArrayOutputStream value = new ByteArrayOutputStream();
            value.write(header);
            BinaryEncoder encoder = EncoderFactory.get().directBinaryEncoder(value, null);
            new GenericDatumWriter<GenericRecord>(schema).write(event, encoder);
            outbox.records.add(new Sealed(subject, value.toByteArray()));
            outbox.nextSequence++;
        }
        outbox.save(); // on the disk before anything is sent
        int confirmed = ship(outbox, options.get("--brokers"), topic);
        System.out.println(confirmed + " confirmed, " + outbox.records.size() + " left in the outbox");
        System.exit(outbox.records.isEmpty() ? 0 : 1);
    }

    private static GenericData.Fixed fixed(Schema schema, String field, byte[] bytes) {
        return new GenericData.Fixed(schema.getField(field).schema(), bytes);
    }
}
