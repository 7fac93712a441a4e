package org.elasticsearch.plugins;

import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.elasticsearch.Build;
import org.elasticsearch.common.settings.Settings;
import org.elasticsearch.jdk.ModuleQualifiedExportsService;

/** What 8.13 asks of plugins that lie on the classpath. */
abstract class VersionedPlugins extends PluginsService {
    VersionedPlugins(Settings settings, Path config) {
        super(settings, config, null, null);
    }

    static LoadedPlugin described(Class<? extends Plugin> c, Plugin plugin) {
        PluginDescriptor d = new PluginDescriptor(
            c.getName(), "classpath", "0", Build.current().version(),
            System.getProperty("java.specification.version"), c.getName(), null, List.of(), false, false, false, false);
        return new LoadedPlugin(d, plugin, c.getClassLoader(), ModuleLayer.boot());
    }

    /** There are no modules on a classpath. */
    @Override
    protected void addServerExportsService(Map<String, List<ModuleQualifiedExportsService>> qualifiedExports) {}
}
