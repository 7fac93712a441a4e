package org.elasticsearch.plugins;

import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.elasticsearch.Build;
import org.elasticsearch.common.settings.Settings;

/** What 8.19 asks of plugins that lie on the classpath. */
abstract class VersionedPlugins extends PluginsService {
    VersionedPlugins(Settings settings, Path config) {
        super(settings, config, PluginsLoader.createPluginsLoader(Set.of(), Set.of(), Map.of(), false));
    }

    static LoadedPlugin described(Class<? extends Plugin> c, Plugin plugin) {
        PluginDescriptor d = new PluginDescriptor(
            c.getName(), "classpath", "0", Build.current().version(),
            System.getProperty("java.specification.version"), c.getName(), null, List.of(), false, false, false, false);
        return new LoadedPlugin(d, plugin, c.getClassLoader());
    }
}
