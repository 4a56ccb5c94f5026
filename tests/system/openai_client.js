// What a user of OpenAI's client does, as one JSON object a line: node openai_client.js PACKAGE BASE_URL KEY RECORDING
const fs = require('node:fs');
const [, , folder, baseURL, apiKey, recording] = process.argv;
const OpenAI = require(folder);
const client = new OpenAI({ baseURL, apiKey });

const print = (name, value) => console.log(JSON.stringify({ name, value }));
const transcribe = (fields, options) =>
  client.audio.transcriptions.create(
    { file: fs.createReadStream(recording), model: 'whisper-1', language: 'en', ...fields }, options);

async function failing(name, ask) {
  try {
    await ask();
    print(name, null);
  } catch (error) {
    print(name, { kind: error.constructor.name, status: error.status, code: error.code, param: error.param });
  }
}

async function main() {
  print('models', (await client.models.list()).data.map((model) => model.id));
  for (const response_format of ['json', 'text', 'srt', 'vtt', 'diarized_json'])
    print(response_format, await transcribe({ response_format }));
  print('verbose_json', await transcribe(
    { response_format: 'verbose_json', timestamp_granularities: ['word', 'segment'] }));
  const events = [];
  for await (const event of await transcribe({ stream: true })) events.push(event);
  print('events', events);
  const { response } = await transcribe({}).withResponse();
  print('job', response.headers.get('x-scribe-job-id'));

  const stranger = new OpenAI({ baseURL, apiKey: 'sr_live_none' });
  await failing('AuthenticationError', () => stranger.models.list());
  await failing('NotFoundError', () => transcribe({ model: 'whisper-9' }));
  await failing('BadRequestError', () => transcribe({ response_format: 'docx' }));
  const broken = await OpenAI.toFile(Buffer.from('no recording'), 'broken.wav');
  await failing('broken', () => transcribe({ file: broken }));
}

main();
