package org.elasticsearch.node;

import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Predicate;
import java.util.function.Supplier;
import org.elasticsearch.action.admin.indices.rollover.LazyRolloverAction;
import org.elasticsearch.action.datastreams.GetDataStreamAction.Response.DataStreamInfo;
import org.elasticsearch.cluster.ClusterState;
import org.elasticsearch.cluster.health.ClusterStateHealth;
import org.elasticsearch.cluster.metadata.DataStream;
import org.elasticsearch.cluster.metadata.DataStreamLifecycle;
import org.elasticsearch.cluster.metadata.DataStreamOptions;
import org.elasticsearch.cluster.metadata.IndexNameExpressionResolver;
import org.elasticsearch.cluster.metadata.MetadataCreateDataStreamService.CreateDataStreamClusterStateUpdateRequest;
import org.elasticsearch.cluster.metadata.MetadataDataStreamsService;
import org.elasticsearch.cluster.metadata.MetadataIndexTemplateService;
import org.elasticsearch.cluster.node.DiscoveryNodes;
import org.elasticsearch.common.io.stream.NamedWriteableRegistry;
import org.elasticsearch.common.settings.ClusterSettings;
import org.elasticsearch.common.settings.IndexScopedSettings;
import org.elasticsearch.common.settings.Settings;
import org.elasticsearch.common.settings.SettingsFilter;
import org.elasticsearch.core.TimeValue;
import org.elasticsearch.env.Environment;
import org.elasticsearch.features.NodeFeature;
import org.elasticsearch.ingest.Processor;
import org.elasticsearch.plugins.ActionPlugin;
import org.elasticsearch.plugins.ClasspathPlugins;
import org.elasticsearch.plugins.Plugin;
import org.elasticsearch.plugins.PluginsLoader;
import org.elasticsearch.plugins.PluginsService;
import org.elasticsearch.rest.RestController;
import org.elasticsearch.rest.RestHandler;

/** What differs between the versions of the server, as 8.19 has it. */
abstract class Versioned extends Plugin implements ActionPlugin {
    static final Set<NodeFeature> FEATURES = Set.of(DataStream.DATA_STREAM_FAILURE_STORE_FEATURE, LazyRolloverAction.DATA_STREAM_LAZY_ROLLOVER);

    abstract List<RestHandler> handlers();

    @Override
    public Collection<RestHandler> getRestHandlers(
        Settings settings, NamedWriteableRegistry registry, RestController rest, ClusterSettings clusterSettings,
        IndexScopedSettings indexSettings, SettingsFilter filter, IndexNameExpressionResolver resolver,
        Supplier<DiscoveryNodes> nodes, Predicate<NodeFeature> features) {
        return handlers();
    }

    static Node node(Environment env, List<Class<? extends Plugin>> plugins) {
        NodeServiceProvider provider = new NodeServiceProvider() {
            @Override
            PluginsService newPluginService(Environment env, PluginsLoader loader) {
                return new ClasspathPlugins(env.settings(), env.configDir(), plugins);
            }
        };
        PluginsLoader none = PluginsLoader.createPluginsLoader(Set.of(), Set.of(), Map.of(), false);
        return new Node(NodeConstruction.prepareConstruction(env, none, provider, true));
    }

    static Map<String, DataStream> dataStreams(ClusterState state) {
        return state.metadata().dataStreams();
    }

    static DataStreamInfo info(ClusterState state, DataStream d) {
        String[] indices = d.getIndices().stream().map(i -> i.getName()).toArray(String[]::new);
        boolean hasFailureStore = d.getDataStreamOptions() != null && d.getDataStreamOptions().failureStore() != null
            && Boolean.TRUE.equals(d.getDataStreamOptions().failureStore().enabled());
        String template = MetadataIndexTemplateService.findV2Template(state.metadata(), d.getName(), d.isHidden());
        var health = new ClusterStateHealth(state, indices).getStatus();
        return new DataStreamInfo(d, hasFailureStore, health, template, null, null, Map.of(), false, null, null);
    }

    static CreateDataStreamClusterStateUpdateRequest creation(String name) {
        TimeValue patience = TimeValue.timeValueSeconds(30);
        return new CreateDataStreamClusterStateUpdateRequest(name, null, patience, patience, true);
    }

    /** What can be changed in a data stream that exists, by the last part of its path. */
    static Map<String, PeerPlugin.Change> changes() {
        TimeValue patience = TimeValue.timeValueSeconds(30);
        return Map.of("lifecycle", parser -> {
            var lifecycle = DataStreamLifecycle.dataLifecycleFromXContent(parser);
            return (service, names, listener) -> service.setLifecycle(names, lifecycle, patience, patience, listener);
        }, "options", parser -> {
            var options = DataStreamOptions.fromXContent(parser);
            return (service, names, listener) -> service.setDataStreamOptions(names, options, patience, patience, listener);
        });
    }

    static ClusterState without(ClusterState current, Set<DataStream> gone, Settings settings) {
        return MetadataDataStreamsService.deleteDataStreams(current, gone, settings);
    }

    /** A factory of processors, from a function of tag and description. */
    static Processor.Factory factory(BinaryFunction made) {
        return (factories, tag, description, config) -> made.of(tag, description);
    }

    interface BinaryFunction {
        Processor of(String tag, String description);
    }
}
