// A client of openapi-fetch, with the types that openapi-typescript generates.
import createClient from "openapi-fetch";

import type { components, paths } from "./openapi-typescript.js";

declare const process: { env: Record<string, string> };

const api = createClient<paths>({
  baseUrl: process.env["API_URL"]!,
  headers: { Authorization: `Bearer ${process.env["TOKEN"]}` },
});
const parameters = { prompt: "a lighthouse at dawn", num_outputs: 2 };

async function ended(job_id: string): Promise<components["schemas"]["Job"]> {
  for (;;) {
    const { data: job } = await api.GET("/jobs/{job_id}", { params: { path: { job_id } } });
    if (!job) throw new Error("the job is missing");
    if (job.status !== "pending" && job.status !== "processing") return job;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

async function main(): Promise<void> {
  const { data: quote } = await api.POST("/templates/{code}/quote", {
    params: { path: { code: "flux-schnell" } },
    body: { parameters },
  });
  const { data: accepted, error } = await api.POST("/jobs", {
    params: { header: { "Idempotency-Key": "once" } },
    body: { template: "flux-schnell", parameters },
  });
  if (!accepted) throw new Error(JSON.stringify(error));
  const job = await ended(accepted.id);
  const { error: missing } = await api.GET("/jobs/{job_id}", {
    params: { path: { job_id: "missing" } },
  });
  const problem = missing && "type" in missing ? missing.type : null;
  console.log(
    JSON.stringify({
      quoted: quote?.credits,
      status: job.status,
      charged: job.credits.charged,
      outputs: job.outputs.length,
      named: job.outputs.every((output) => output.download_url.includes("filename")),
      problem,
    }),
  );
}

main();
