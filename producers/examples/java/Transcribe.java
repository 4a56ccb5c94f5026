//DEPS org.apache.kafka:kafka-clients:4.3.0
//DEPS org.apache.avro:avro:1.12.2
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import org.apache.avro.Schema;
import org.apache.avro.generic.GenericDatumReader;
import org.apache.avro.generic.GenericDatumWriter;
import org.apache.avro.generic.GenericRecord;
import org.apache.avro.generic.GenericRecordBuilder;
import org.apache.avro.io.DecoderFactory;
import org.apache.avro.io.EncoderFactory;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/** Transcribe BOOTSTRAP REGISTRY TENANT RECORDING LANGUAGE: publishes a job, waits for its result, prints the text. */
public final class Transcribe {
    private static final int HEADER_BYTES = 5; // a zero and the schema's id
    private final HttpClient http = HttpClient.newHttpClient();
    private final ObjectMapper json = new ObjectMapper();
    private final Map<Integer, Schema> schemas = new HashMap<>();
    private final String registry;

    private Transcribe(String registry) {
        this.registry = registry;
    }

    public static void main(String[] args) throws Exception {
        String jobId = UUID.randomUUID().toString(); // the same id is the same job, however often it is sent
        Transcribe avro = new Transcribe(args[1]);
        Map<String, Object> broker = Map.of("bootstrap.servers", args[0]);
        var settings = new HashMap<>(broker);
        settings.put("acks", "all");
        try (var producer = new KafkaProducer<>(settings, new StringSerializer(), new ByteArraySerializer())) {
            byte[] job = avro.job(jobId, args[2], args[3], args[4]);
            producer.send(new ProducerRecord<>("scribe.jobs", jobId, job)).get();
        }
        System.err.println("job " + jobId);
        settings = new HashMap<>(broker);
        settings.put("group.id", "example-" + jobId); // a service keeps one name, and goes on where it stopped
        settings.put("auto.offset.reset", "earliest");
        settings.put("isolation.level", "read_committed"); // else work is seen that was taken back
        try (var consumer = new KafkaConsumer<>(settings, new StringDeserializer(), new ByteArrayDeserializer())) {
            consumer.subscribe(List.of("scribe.results"));
            while (true) {
                for (var record : consumer.poll(Duration.ofSeconds(1))) {
                    if (jobId.equals(record.key())) {
                        System.exit(print(avro.read(record.value())));
                    }
                }
            }
        }
    }

    private static int print(GenericRecord result) {
        if (result.get("error") instanceof GenericRecord error) {
            System.err.println(error.get("code") + ": " + error.get("message"));
            return 1;
        }
        if (result.get("claim_check") instanceof GenericRecord large) {
            System.out.println("the transcript lies at " + large.get("uri"));
            return 0;
        }
        for (var segment : (List<?>) ((GenericRecord) result.get("transcript")).get("segments")) {
            System.out.println(((GenericRecord) segment).get("text").toString().strip());
        }
        return 0;
    }

    private byte[] job(String jobId, String tenant, String recording, String language) throws Exception {
        JsonNode latest = get("/subjects/scribe.jobs-value/versions/latest");
        Schema schema = new Schema.Parser().parse(latest.get("schema").asText());
        GenericRecord job = new GenericRecordBuilder(schema)
            .set("job_id", jobId)
            .set("tenant", tenant)
            .set("source", part(schema, "source").set("uri", recording).build())
            .set("options", part(schema, "options").set("language", language).set("word_timestamps", false).build())
            .set("requested_at", ChronoUnit.MICROS.between(Instant.EPOCH, Instant.now()))
            .build();
        var out = new ByteArrayOutputStream();
        out.write(ByteBuffer.allocate(HEADER_BYTES).put((byte) 0).putInt(latest.get("id").asInt()).array());
        var encoder = EncoderFactory.get().binaryEncoder(out, null);
        new GenericDatumWriter<GenericRecord>(schema).write(job, encoder);
        encoder.flush();
        return out.toByteArray();
    }

    private static GenericRecordBuilder part(Schema schema, String field) {
        return new GenericRecordBuilder(schema.getField(field).schema());
    }

    private GenericRecord read(byte[] value) throws Exception {
        int id = ByteBuffer.wrap(value).getInt(1);
        if (!schemas.containsKey(id)) {
            schemas.put(id, new Schema.Parser().parse(get("/schemas/ids/" + id).get("schema").asText()));
        }
        var decoder = DecoderFactory.get().binaryDecoder(value, HEADER_BYTES, value.length - HEADER_BYTES, null);
        return new GenericDatumReader<GenericRecord>(schemas.get(id)).read(null, decoder);
    }

    private JsonNode get(String path) throws Exception {
        var answer = http.send(HttpRequest.newBuilder(URI.create(registry + path)).build(), BodyHandlers.ofString());
        if (answer.statusCode() != 200) {
            throw new IOException(path + " answered " + answer.statusCode() + ": " + answer.body());
        }
        return json.readTree(answer.body());
    }
}
