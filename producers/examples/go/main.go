// Publishes a job, waits for its result, and prints the text: BOOTSTRAP REGISTRY TENANT RECORDING LANGUAGE.
package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"log"
	"os"
	"strings"
	"time"

	"github.com/twmb/avro"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sr"
)

func main() {
	bootstrap, registry, tenant, recording, language := os.Args[1], os.Args[2], os.Args[3], os.Args[4], os.Args[5]
	ctx := context.Background()
	schemas := must(sr.NewClient(sr.URLs(registry)))
	jobID := newID() // the same id is the same job, however often it is sent
	client := must(kgo.NewClient(
		kgo.SeedBrokers(bootstrap),
		kgo.ConsumeTopics("scribe.results"),
		kgo.ConsumerGroup("example-"+jobID), // a service keeps one name, and goes on where it stopped
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), // else work is seen that was taken back
	))
	defer client.Close()

	job := map[string]any{ // what is not named has its default
		"job_id":       jobID,
		"tenant":       tenant,
		"source":       map[string]any{"uri": recording},
		"options":      map[string]any{"language": language, "word_timestamps": false},
		"requested_at": time.Now(),
	}
	record := &kgo.Record{Topic: "scribe.jobs", Key: []byte(jobID), Value: encoded(ctx, schemas, job)}
	check(client.ProduceSync(ctx, record).FirstErr())
	fmt.Fprintln(os.Stderr, "job", jobID)
	for {
		fetched := client.PollFetches(ctx)
		check(fetched.Err())
		for _, record := range fetched.Records() {
			if string(record.Key) == jobID {
				show(decoded(ctx, schemas, record.Value))
				return
			}
		}
	}
}

func show(result map[string]any) {
	if failure, ok := result["error"].(map[string]any); ok {
		log.Fatalf("%s: %s", failure["code"], failure["message"])
	}
	if large, ok := result["claim_check"].(map[string]any); ok {
		fmt.Println("the transcript lies at", large["uri"])
		return
	}
	for _, segment := range result["transcript"].(map[string]any)["segments"].([]any) {
		fmt.Println(strings.TrimSpace(segment.(map[string]any)["text"].(string)))
	}
}

func encoded(ctx context.Context, schemas *sr.Client, job map[string]any) []byte {
	latest := must(schemas.SchemaByVersion(ctx, "scribe.jobs-value", -1))
	value := must(new(sr.ConfluentHeader).AppendEncode(nil, latest.ID, nil))
	return must(must(avro.Parse(latest.Schema.Schema)).AppendEncode(value, job))
}

func decoded(ctx context.Context, schemas *sr.Client, value []byte) (result map[string]any) {
	id, body, err := new(sr.ConfluentHeader).DecodeID(value)
	check(err)
	written := must(schemas.SchemaByID(ctx, id)) // a service keeps what it has read by id
	must(must(avro.Parse(written.Schema)).Decode(body, &result))
	return result
}

func newID() string {
	id := make([]byte, 16)
	must(rand.Read(id))
	id[6], id[8] = id[6]&0x0f|0x40, id[8]&0x3f|0x80 // version 4
	return fmt.Sprintf("%x-%x-%x-%x-%x", id[:4], id[4:6], id[6:8], id[8:10], id[10:])
}

func must[T any](value T, err error) T {
	check(err)
	return value
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
