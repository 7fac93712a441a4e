package org.opensearch.node;

import java.util.List;
import org.opensearch.Version;
import org.opensearch.env.Environment;
import org.opensearch.plugins.PluginInfo;
import org.opensearch.transport.Netty4ModulePlugin;

/** A node whose plugins are on the class path: what 3.9 wants to be told of them. */
final class Versioned {
    private Versioned() {}

    static Node node(Environment environment) {
        String netty = Netty4ModulePlugin.class.getName();
        String java = System.getProperty("java.specification.version");
        PluginInfo plugin =
            new PluginInfo(netty, "classpath", "0", Version.CURRENT, java, netty, null, List.of(), false);
        return new Node(environment, List.of(plugin), true) {};
    }
}
