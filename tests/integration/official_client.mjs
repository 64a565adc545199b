// Runs the official JavaScript client against the simulator at REPLICATE_URL.
// Prints the results as one JSON document.
import { createRequire } from "node:module";

const require = createRequire(import.meta.url);
const Replicate = require(process.env.CLIENT_FOLDER);
const { validateWebhook } = Replicate;

const URL_OF_FAULTS = `${process.env.REPLICATE_URL}/faults`;
const MODEL = "black-forest-labs/flux-schnell";
const EDITOR = "black-forest-labs/flux-dev";
const SDXL = "7762fd07cf82c948538e41f63f77d685e02b063e37e496e96eefd46c929f9bdc";
const clientOf = (auth) => new Replicate({ auth, baseUrl: `${process.env.REPLICATE_URL}/v1` });
const replicate = clientOf("r8_javascript");
const results = {};

const setFaults = (faults) => fetch(URL_OF_FAULTS, { method: "PUT", body: JSON.stringify(faults) });

// Returns the name of the client's error, and the status and title of the API's problem document.
async function refusal(request) {
  try {
    await request();
  } catch (error) {
    const { message } = error;
    const problem = JSON.parse(message.slice(message.indexOf("{"), message.lastIndexOf("}") + 1));
    return [error.name, error.response.status, problem.title];
  }
  return null;
}

let prediction = await replicate.predictions.create({ model: MODEL, input: { prompt: "by model" } });
prediction = await replicate.wait(prediction, { interval: 50 });
results.waitedFor = [prediction.status, prediction.output.length];
results.read = (await replicate.predictions.get(prediction.id)).status;
results.isListed = (await replicate.predictions.list()).results.map((each) => each.id).includes(prediction.id);

const blocked = await replicate.run(MODEL, { input: { prompt: "blocking", num_outputs: 2 } });
results.blockingRun = [blocked.length, (await (await fetch(String(blocked[0]))).arrayBuffer()).byteLength > 1000];
const polled = await replicate.run(MODEL, { input: { prompt: "polling" }, wait: { mode: "poll", interval: 50 } });
results.pollingRun = polled.length;
results.versionRun = (await replicate.run(`stability-ai/sdxl:${SDXL}`, { input: { prompt: "by version" } })).length;
await setFaults({ run_seconds: 1.5 });
results.longRun = (await replicate.run(MODEL, { input: { prompt: "too long" }, wait: { mode: "block", timeout: 1 } })).length;
await setFaults({ fail: 1, error: "CUDA out of memory (E1001)" });
results.failedRun = await replicate.run(MODEL, { input: { prompt: "failing" } }).catch((error) => error.message);

await setFaults({ run_seconds: 60 });
const running = await replicate.predictions.create({ version: MODEL, input: { prompt: "never mind" } });
results.canceled = (await replicate.predictions.cancel(running.id)).status;
await setFaults({});

const image = new Blob([Buffer.from(process.env.IMAGE, "base64")], { type: "image/png" });
const file = await replicate.files.create(image, { order: 7 });
results.createdFile = [file.content_type, file.metadata.order, file.size === image.size];
results.fileIsListed = (await replicate.files.list()).results.map((each) => each.id).includes(file.id);
results.runFromFile = (await replicate.run(EDITOR, { input: { prompt: "from a file", image: file.urls.get } })).length;
results.deletedFile = await replicate.files.delete(file.id);
results.deletedFileError = await refusal(() => replicate.files.get(file.id));
results.runFromBlob = (await replicate.run(EDITOR, { input: { prompt: "from a blob", image: image } })).length;

results.account = (await replicate.accounts.current()).type;
const model = await replicate.models.get("stability-ai", "sdxl");
const versions = (await replicate.models.versions.list("stability-ai", "sdxl")).results;
const version = await replicate.models.versions.get("stability-ai", "sdxl", SDXL);
results.versionsMatch = [model.latest_version.id, version.id, ...versions.map((each) => each.id)].every((id) => id === SDXL);

const create = (input) => replicate.predictions.create({ model: MODEL, input });
results.refusals = {};
results.refusals.invalid = await refusal(() => create({ prompt: 7 }));
results.refusals.token = await refusal(() => clientOf("nobody").predictions.list());
for (const fault of ["no_credit", "unauthenticated", "server_error", "throttle"]) {
  await setFaults({ [fault]: 1 });
  results.refusals[fault] = await refusal(() => create({ prompt: "refused" }));
}
await setFaults({});

const secret = (await replicate.webhooks.default.secret.get()).key;
const { headers, body } = JSON.parse(process.env.WEBHOOK);
results.webhookIsValid = {
  genuine: await validateWebhook({ headers, body }, secret),
  changed: await validateWebhook({ headers, body: `${body} ` }, secret),
  otherId: await validateWebhook({ headers: { ...headers, "webhook-id": "msg_another" }, body }, secret),
  otherSecret: await validateWebhook({ headers, body }, `whsec_${Buffer.from("another").toString("base64")}`),
};

console.log(JSON.stringify(results));
