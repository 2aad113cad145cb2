// onnxruntime-web's time for MiniLM's forward pass, batch 8 × 32 real tokens, float32, in headless Chromium.
//
//   python benches/peers/onnxruntime_web/export.py --plm www/models/all-minilm-l6-v2     (once: writes model.onnx)
//   npm install --prefix benches/peers/onnxruntime_web                                  (once)
//   node benches/peers/onnxruntime_web/run.mjs [--backend wasm|webgpu] [--threads 1,2] [--repeats 30]
//                                              [--rows 8] [--tokens 32] [--chromium PATH]
//
// Prints one JSON document: medians and quartiles in milliseconds by number of threads, and as `largest_difference`
// how far the model's last hidden state is from tests/fixtures/model/minilm. Times are worth something only on an idle
// machine; `load` says how idle it was. On Chromium's software WebGPU adapter a pass takes many seconds: pass
// --repeats 3.

import { spawn } from "node:child_process";
import { createReadStream, existsSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer } from "node:http";
import { availableParallelism, loadavg, tmpdir } from "node:os";
import { dirname, extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const HERE = dirname(fileURLToPath(import.meta.url));
const FIXTURE = join(HERE, "../../../tests/fixtures/model/minilm");
const TIMEOUT_MS = 600_000;
const TYPES = {
  ".html": "text/html", ".js": "text/javascript", ".mjs": "text/javascript", ".wasm": "application/wasm",
};
const FLAGS = [
  "--headless=new", "--no-sandbox", "--enable-unsafe-webgpu", "--disable-background-networking",
  "--disable-component-update", "--disable-sync", "--disable-quic", "--no-first-run",
];

const { values: options } = parseArgs({
  options: {
    backend: { type: "string", default: "wasm" },
    threads: { type: "string", default: "1,2" },
    repeats: { type: "string", default: "30" },
    rows: { type: "string", default: "8" },
    tokens: { type: "string", default: "32" },
    chromium: { type: "string" },
  },
});

function findChromium() {
  const names = ["chromium", "chromium-browser", "google-chrome"];
  const paths = process.env.PATH.split(":").flatMap((folder) => names.map((name) => join(folder, name)));
  const found = options.chromium ?? paths.find(existsSync);
  if (!found) throw new Error(`no ${names.join(", ")} on the PATH; name one with --chromium`);
  return found;
}

/** Serves this folder and the fixture, isolated so that wasm may use threads; gives each result to `onResult`. */
function serve(onResult) {
  return createServer((request, response) => {
    const path = normalize(new URL(request.url, "http://localhost").pathname);
    if (request.method === "POST" && path === "/result") {
      let body = "";
      request.on("data", (part) => (body += part));
      request.on("end", () => {
        response.end();
        onResult(JSON.parse(body));
      });
      return;
    }
    const file = path.startsWith("/fixture/")
      ? join(FIXTURE, path.slice("/fixture/".length))
      : join(HERE, path === "/" ? "index.html" : path);
    response.setHeader("Content-Type", TYPES[extname(file)] ?? "application/octet-stream");
    response.setHeader("Cross-Origin-Opener-Policy", "same-origin");
    response.setHeader("Cross-Origin-Embedder-Policy", "require-corp");
    createReadStream(file)
      .on("error", () => response.writeHead(404).end())
      .pipe(response);
  });
}

/** One page in a browser of its own, from start to result. */
async function measure(port, results, threads) {
  const profile = await mkdtemp(join(tmpdir(), "onnxruntime-web-"));
  const { backend, repeats, rows, tokens } = options;
  const query = new URLSearchParams({ backend, threads, repeats, rows, tokens });
  const url = `http://localhost:${port}/?${query}`;
  const browser = spawn(findChromium(), [...FLAGS, `--user-data-dir=${profile}`, url], { stdio: "ignore" });
  const ended = new Promise((resolve) => browser.on("exit", resolve));
  try {
    return await new Promise((resolve, reject) => {
      results.next = resolve;
      browser.on("error", reject);
      ended.then((code) => reject(new Error(`Chromium ended with ${code} before it had a result`)));
      setTimeout(() => reject(new Error(`no result after ${TIMEOUT_MS / 1000} s`)), TIMEOUT_MS).unref();
    });
  } finally {
    browser.kill();
    await ended;
    await rm(profile, { recursive: true, force: true, maxRetries: 5 });
  }
}

for (const needed of ["model.onnx", "node_modules/onnxruntime-web/package.json"]) {
  if (!existsSync(join(HERE, needed))) throw new Error(`${needed} is missing: see the head of run.mjs`);
}
const ort = JSON.parse(await readFile(join(HERE, "node_modules/onnxruntime-web/package.json"), "utf8"));
const report = {
  peer: "onnxruntime-web",
  versions: { "onnxruntime-web": ort.version },
  machine: { processor: process.arch, cores: availableParallelism(), load: loadavg()[0] },
  batch: [Number(options.rows), Number(options.tokens)],
  repeats: Number(options.repeats),
  results: [],
};
const results = {};
const server = serve((result) => results.next(result));
await new Promise((resolve) => server.listen(0, "localhost", resolve));
try {
  for (const threads of options.threads.split(",")) {
    const result = await measure(server.address().port, results, threads);
    if (result.error) throw new Error(`the page failed: ${result.error}`);
    report.results.push(result);
  }
} finally {
  server.close();
  server.closeAllConnections();
}
console.log(JSON.stringify(report, null, 2));
