import java.io.BufferedOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.concurrent.atomic.LongAdder;
import org.apache.camel.Exchange;
import org.apache.camel.builder.RouteBuilder;
import org.apache.camel.impl.DefaultCamelContext;

/**
 * A Beats server made of Apache Camel's Lumberjack component: it decodes each event, counts it
 * and acks its window. With "messages" as second argument it prints every event's message, one a
 * line, newlines as "\n". Says READY when it listens, and at its end how many events came.
 */
public final class CamelPeer {
    private CamelPeer() {
    }

    public static void main(String[] arguments) throws Exception {
        String uri = "lumberjack:127.0.0.1:" + arguments[0];
        boolean tells = arguments.length > 1 && arguments[1].equals("messages");
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

    private static void tell(PrintStream out, Exchange exchange) {
        Map<?, ?> event = exchange.getIn().getBody(Map.class);
        synchronized (out) {
            out.println(String.valueOf(event.get("message")).replace("\n", "\\n"));
        }
    }
}
