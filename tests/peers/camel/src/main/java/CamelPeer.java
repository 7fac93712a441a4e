import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.BufferedOutputStream;
import java.io.PrintStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.atomic.LongAdder;
import org.apache.camel.Exchange;
import org.apache.camel.builder.RouteBuilder;
import org.apache.camel.impl.DefaultCamelContext;

/**
 * A Beats server made of Apache Camel's Lumberjack component: it decodes each event, counts it
 * and acks its window. With "messages" as second argument it prints every event's message, one a
 * line, newlines as "\n"; with a URL it creates every event as a document of logs-SERVICE-pt there, and an exchange fails
 * where that was refused. Says READY when it listens, and at its end how many events came.
 */
public final class CamelPeer {
    private static final HttpClient CLIENT = HttpClient.newHttpClient();
    private static final ObjectMapper JSON = new ObjectMapper();

    private CamelPeer() {
    }

    public static void main(String[] arguments) throws Exception {
        String uri = "lumberjack:127.0.0.1:" + arguments[0];
        boolean tells = arguments.length > 1 && arguments[1].equals("messages");
        String url = arguments.length > 1 && !tells ? arguments[1] : null;
        PrintStream out = new PrintStream(
            new BufferedOutputStream(System.out), false, StandardCharsets.UTF_8);
        LongAdder events = new LongAdder();
        DefaultCamelContext camel = new DefaultCamelContext();
        camel.addRoutes(new RouteBuilder() {
            @Override
            public void configure() {
                from(uri).process(exchange -> {
                    events.increment();
                    if (tells) {
                        tell(out, exchange);
                    }
                    if (url != null) {
                        create(url, exchange);
                    }
                });
            }
        });
        camel.start();
        out.println("READY");
        out.flush();
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            camel.stop();
            out.println("EVENTS " + events.sum());
            out.flush();
        }));
        Thread.currentThread().join();
    }

    private static void create(String url, Exchange exchange) throws Exception {
        Map<?, ?> event = exchange.getIn().getBody(Map.class);
        URI place = URI.create(url + "/logs-" + event.get("service") + "-pt/_create/" + UUID.randomUUID());
        HttpRequest request = HttpRequest.newBuilder(place).header("content-type", "application/json")
            .PUT(HttpRequest.BodyPublishers.ofByteArray(JSON.writeValueAsBytes(event))).build();
        HttpResponse<String> answer = CLIENT.send(request, HttpResponse.BodyHandlers.ofString());
        if (answer.statusCode() >= 300) {
            throw new IllegalStateException(answer.statusCode() + " " + answer.body());
        }
    }

    private static void tell(PrintStream out, Exchange exchange) {
        Map<?, ?> event = exchange.getIn().getBody(Map.class);
        synchronized (out) {
            out.println(String.valueOf(event.get("message")).replace("\n", "\\n"));
        }
    }
}
