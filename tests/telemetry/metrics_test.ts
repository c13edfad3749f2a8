import { test } from "uvu";
import * as assert from "uvu/assert";
import { createMetrics } from "../../src/telemetry/metrics.ts";

function linesOf(body: string): string[] {
  return body.split("\n").filter((line) => line.startsWith("millrace_"));
}

test("text() gives what was counted, in Prometheus's text format", async () => {
  const metrics = createMetrics();
  metrics.executionEnded("completed", 0.002);
  metrics.executionEnded("failed", 3);
  metrics.httpAnswered("/webhook/*", 200);
  metrics.httpAnswered("/webhook/*", 200);
  metrics.webhookAnswered(0.02);
  const { contentType, body } = await metrics.text();
  assert.match(contentType, /^text\/plain; version=0\.0\.4/);
  const lines = linesOf(body);
  for (
    const line of [
      'millrace_executions_total{status="completed"} 1',
      'millrace_executions_total{status="failed"} 1',
      'millrace_execution_seconds_bucket{le="0.0025"} 1',
      "millrace_execution_seconds_count 2",
      'millrace_http_requests_total{route="/webhook/*",status="200"} 2',
      "millrace_webhook_seconds_sum 0.02",
    ]
  ) assert.ok(lines.includes(line), line);
  assert.match(body, /^process_cpu_seconds_total /m);
});

test("text() reads what is watched when it is called", async () => {
  const metrics = createMetrics();
  let waiters = 1;
  metrics.watchWaiters(() => waiters);
  metrics.watchWorkInProgress(() => 7);
  waiters = 3;
  const lines = linesOf((await metrics.text()).body);
  assert.ok(lines.includes("millrace_waiters 3"));
  assert.ok(lines.includes("millrace_work_in_progress 7"));
});

test("what is counted between two readings is added, however much it is", async () => {
  const metrics = createMetrics();
  for (const most of [1, 999, 1000, 2500]) {
    for (let n = 0; n < most; n++) {
      metrics.webhookAnswered(n % 2 === 0 ? 0.004 : 7);
      metrics.httpAnswered("/webhook/*", n % 2 === 0 ? 200 : 500);
      metrics.httpAnswered("/health", 200);
    }
    await metrics.text();
  }
  const lines = linesOf((await metrics.text()).body);
  for (
    const line of [
      "millrace_webhook_seconds_count 4500",
      'millrace_webhook_seconds_bucket{le="0.005"} 2251',
      'millrace_webhook_seconds_bucket{le="10"} 4500',
      'millrace_http_requests_total{route="/webhook/*",status="200"} 2251',
      'millrace_http_requests_total{route="/webhook/*",status="500"} 2249',
      'millrace_http_requests_total{route="/health",status="200"} 4500',
    ]
  ) assert.ok(lines.includes(line), line);
});

test("createMetrics() makes counters that share nothing with those before", async () => {
  createMetrics().executionEnded("completed", 1);
  assert.ok(linesOf((await createMetrics().text()).body).includes("millrace_execution_seconds_count 0"));
});

test.run();
