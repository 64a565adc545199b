// The official JavaScript client, unchanged, against the API at REPLICATE_URL. Prints what it saw as one JSON document.
import { createRequire } from "node:module";

const require = createRequire(`${process.env.CLIENT_FOLDER}/`);
const Replicate = require("replicate");
const { validateWebhook } = Replicate;

const replicate = new Replicate({ auth: "r8_javascript", baseUrl: `${process.env.REPLICATE_URL}/v1` });
const MODEL = "black-forest-labs/flux-schnell";
const seen = {};

let prediction = await replicate.predictions.create({ model: MODEL, input: { prompt: "by model" } });
prediction = await replicate.wait(prediction, { interval: 50 });
seen.waited = [prediction.status, prediction.output.length];
seen.got = (await replicate.predictions.get(prediction.id)).status;
seen.listed = (await replicate.predictions.list()).results.map((each) => each.id).includes(prediction.id);

const blocked = await replicate.run(MODEL, { input: { prompt: "blocking", num_outputs: 2 } });
seen.ran = [blocked.length, (await (await fetch(String(blocked[0]))).arrayBuffer()).byteLength > 1000];
const polled = await replicate.run(MODEL, { input: { prompt: "polling" }, wait: { mode: "poll", interval: 50 } });
seen.polled = polled.length;

const file = await replicate.files.create(new Blob([Buffer.from(process.env.PICTURE, "base64")], { type: "image/png" }), { order: 7 });
seen.file = [file.content_type, file.metadata.order, file.size > 0];
const edited = await replicate.run("black-forest-labs/flux-dev", { input: { prompt: "from a file", image: file.urls.get } });
seen.fromFile = edited.length;
seen.deleted = await replicate.files.delete(file.id);

const running = await replicate.predictions.create({ version: MODEL, input: { prompt: "never mind" } });
seen.canceled = (await replicate.predictions.cancel(running.id)).status;

try {
  await replicate.predictions.create({ model: MODEL, input: { prompt: 7 } });
} catch (error) {
  seen.refused = [error.name, error.response.status];
}

const secret = (await replicate.webhooks.default.secret.get()).key;
const webhook = JSON.parse(process.env.WEBHOOK);
seen.valid = await validateWebhook({ ...webhook, secret });
seen.forged = await validateWebhook({ ...webhook, body: `${webhook.body} `, secret });

console.log(JSON.stringify(seen));
