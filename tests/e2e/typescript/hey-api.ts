// The client that @hey-api/openapi-ts generates.
import { client } from "./hey-api/client.gen";
import { quote, readJob, submitJob } from "./hey-api/sdk.gen";
import type { Job } from "./hey-api/types.gen";

declare const process: { env: Record<string, string> };

client.setConfig({ baseUrl: process.env["API_URL"]!, auth: process.env["TOKEN"]! });
const parameters = { prompt: "a lighthouse at dawn", num_outputs: 2 };

async function ended(job_id: string): Promise<Job> {
  for (;;) {
    const { data: job } = await readJob({ path: { job_id }, throwOnError: true });
    if (!job) throw new Error("the job is missing");
    if (job.status !== "pending" && job.status !== "processing") return job;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

async function main(): Promise<void> {
  const { data: quoted } = await quote({
    path: { code: "flux-schnell" },
    body: { parameters },
    throwOnError: true,
  });
  const { data: accepted } = await submitJob({
    headers: { "Idempotency-Key": "once" },
    body: { template: "flux-schnell", parameters },
    throwOnError: true,
  });
  const job = await ended(accepted.id);
  const { error: missing } = await readJob({ path: { job_id: "missing" } });
  const problem = missing && "type" in missing ? missing.type : null;
  console.log(
    JSON.stringify({
      quoted: quoted.credits,
      status: job.status,
      charged: job.credits.charged,
      outputs: job.outputs.length,
      named: job.outputs.every((output) => output.download_url.includes("filename")),
      problem,
    }),
  );
}

main();
