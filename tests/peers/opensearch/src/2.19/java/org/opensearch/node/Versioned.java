package org.opensearch.node;

import java.util.List;
import org.opensearch.env.Environment;
import org.opensearch.transport.Netty4Plugin;

/** A node whose plugins are on the class path: what 2.19 wants to be told of them. */
final class Versioned {
    private Versioned() {}

    static Node node(Environment environment) {
        return new Node(environment, List.of(Netty4Plugin.class), true) {};
    }
}
