package org.elasticsearch.node;

import java.util.HashMap;
import java.util.Map;
import java.util.function.UnaryOperator;
import org.elasticsearch.ingest.AbstractProcessor;
import org.elasticsearch.ingest.IngestDocument;
import org.elasticsearch.ingest.PipelineProcessor;
import org.elasticsearch.ingest.Processor;
import org.elasticsearch.plugins.IngestPlugin;
import org.elasticsearch.plugins.Plugin;

/**
 * Ingest processors that do to a document whose message holds POISON what those of the unpublished module ingest-common
 * do, and let every other pass: {@code fail} and {@code npe} throw (500), {@code grokish} refuses (400), {@code drop}
 * drops. {@code pipeline} is the server's own.
 */
public final class PeerIngest extends Plugin implements IngestPlugin {
    /** As the one of ingest-common, whose name makes the type of the error. */
    static final class FailProcessorException extends RuntimeException {
        FailProcessorException(String message) {
            super(message);
        }
    }

    private static Processor.Factory onPoison(String type, UnaryOperator<IngestDocument> change) {
        return Versioned.factory((tag, description) -> new AbstractProcessor(tag, description) {
            @Override
            public IngestDocument execute(IngestDocument document) {
                Object message = document.getSourceAndMetadata().get("message");
                return String.valueOf(message).contains("POISON") ? change.apply(document) : document;
            }

            @Override
            public String getType() {
                return type;
            }
        });
    }

    @Override
    public Map<String, Processor.Factory> getProcessors(Processor.Parameters parameters) {
        Map<String, Processor.Factory> processors = new HashMap<>();
        processors.put("fail", onPoison("fail", document -> {
            throw new FailProcessorException("no such tenant");
        }));
        processors.put("npe", onPoison("npe", document -> {
            throw new NullPointerException("nothing there");
        }));
        processors.put("grokish", onPoison("grokish", document -> {
            throw new IllegalArgumentException("Provided Grok expressions do not match field value");
        }));
        processors.put("drop", onPoison("drop", document -> null));
        processors.put("pipeline", new PipelineProcessor.Factory(parameters.ingestService));
        return processors;
    }
}
