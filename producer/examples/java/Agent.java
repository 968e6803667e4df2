import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.time.Duration;
import java.util.Objects;

/**
 * Gives events to the kiosk agent. Java 17 or newer is enough:
 *
 * <pre>
 *     java Agent.java send  < event.json        one event, with an idempotency_key
 *     java Agent.java batch < events.ndjson     one event a line
 *     java Agent.java fate EVENT_ID             how far it has come
 * </pre>
 *
 * LAJU_AGENT is the agent's address, http://127.0.0.1:8470 by default. Events and answers stay
 * text here: use the JSON library that you have.
 */
public final class Agent {
    /** The agent will never take this: repeating it helps nobody. */
    static final class Refused extends Exception {
        Refused(int status, String problem) {
            super("refused (" + status + "): " + problem);
        }
    }

    private final URI address;
    // A proxy would see the NIK.
    private final HttpClient client = HttpClient.newBuilder()
            .proxy(HttpClient.Builder.NO_PROXY).connectTimeout(Duration.ofSeconds(5)).build();

    Agent(URI address) {
        this.address = address;
    }

    /** Sends one event; the answer has its event_id and sequence, and whether it was a repeat. */
    String send(String event) throws Refused, InterruptedException {
        if (!event.contains("\"idempotency_key\"")) {
            throw new IllegalArgumentException(
                    "without an idempotency_key a repeated request could count twice");
        }
        return post("application/json", event);
    }

    /** Sends many, one a line: what can be taken is; `items` says what was refused, and why. */
    String sendBatch(String lines) throws Refused, InterruptedException {
        return post("application/x-ndjson", lines);
    }

    /** How far an event has come. */
    String fate(String eventId) throws Refused, IOException, InterruptedException {
        HttpResponse<String> answer = client.send(
                request("/v1/events/" + eventId).GET().build(), BodyHandlers.ofString());
        if (answer.statusCode() != 200) {
            throw new Refused(answer.statusCode(), answer.body());
        }
        return answer.body();
    }

    /** Posts until the agent has it: a 202 says that it is on the agent's disk. */
    private String post(String contentType, String body) throws Refused, InterruptedException {
        HttpRequest request = request("/v1/events").header("Content-Type", contentType)
                .POST(BodyPublishers.ofString(body)).build();
        for (long pause = 500;; pause = Math.min(2 * pause, 60_000)) {
            String why;
            try {
                HttpResponse<String> answer = client.send(request, BodyHandlers.ofString());
                int status = answer.statusCode();
                // No room for some of a batch: what is in is not taken twice.
                boolean isPart = answer.body().contains("\"status\":5");
                if (status == 202 && !isPart) {
                    return answer.body();
                }
                if (status < 500 && !isPart) {
                    throw new Refused(status, answer.body());
                }
                why = "HTTP " + status; // 507: the outbox is full until Kafka can be reached
            } catch (IOException error) {
                why = error.getClass().getSimpleName(); // it is starting, or went away
            }
            System.err.println("not taken (" + why + "), again in " + pause + " ms");
            Thread.sleep((long) (pause * (0.5 + Math.random() / 2)));
        }
    }

    private HttpRequest.Builder request(String path) {
        return HttpRequest.newBuilder(address.resolve(path)).timeout(Duration.ofSeconds(30));
    }

    public static void main(String[] arguments) throws Exception {
        Agent agent = new Agent(URI.create(
                Objects.requireNonNullElse(System.getenv("LAJU_AGENT"), "http://127.0.0.1:8470")));
        try {
            System.out.println(switch (arguments.length == 0 ? "" : arguments[0]) {
                case "send" -> agent.send(new String(System.in.readAllBytes(), "UTF-8"));
                case "batch" -> agent.sendBatch(new String(System.in.readAllBytes(), "UTF-8"));
                case "fate" -> agent.fate(arguments[1]);
                default -> throw new IllegalArgumentException("send, batch or fate EVENT_ID");
            });
        } catch (Refused | IllegalArgumentException error) {
            System.err.println(error.getMessage());
            System.exit(1);
        }
    }
}
