// Times MiniLM's forward pass in onnxruntime-web and posts the result to the server that sent this page.
// Query: backend (wasm or webgpu), threads, rows, tokens, repeats.

const query = new URLSearchParams(location.search);
const number = (name) => Number(query.get(name));
const backend = query.get("backend");

/** The three inputs of the model from arrays of rows. */
function feeds(ort, ids, mask, types) {
  const tensor = (rows) =>
    new ort.Tensor("int64", BigInt64Array.from(rows.flat().map(BigInt)), [rows.length, rows[0].length]);
  return { input_ids: tensor(ids), attention_mask: tensor(mask), token_type_ids: tensor(types) };
}

/** One float32 tensor of a safetensors file. */
function readTensor(buffer, name) {
  const length = Number(new DataView(buffer).getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 8, length)));
  const [start, end] = header[name].data_offsets;
  return new Float32Array(buffer.slice(8 + length + start, 8 + length + end));
}

/** Largest difference from transformers at the fixture's positions: that the model timed is the model meant. */
async function check(ort, session) {
  const expected = await (await fetch("/fixture/expected.json")).json();
  const values = readTensor(await (await fetch("/fixture/expected.safetensors")).arrayBuffer(), "hidden_states.6");
  const input = feeds(ort, expected.input_ids, expected.attention_mask, expected.token_type_ids);
  const output = (await session.run(input)).last_hidden_state;
  const [, tokens, hidden] = output.dims;
  const data = await output.getData();
  const differences = expected.positions.map(([row, token, unit], i) =>
    Math.abs(data[(row * tokens + token) * hidden + unit] - values[i]));
  return Math.max(...differences);
}

function quantile(sorted, q) {
  const at = (sorted.length - 1) * q;
  const low = Math.floor(at);
  return sorted[low] + (sorted[Math.min(low + 1, sorted.length - 1)] - sorted[low]) * (at - low);
}

async function bench() {
  const folder = "/node_modules/onnxruntime-web/dist/";
  const ort = await import(folder + (backend === "webgpu" ? "ort.webgpu.min.mjs" : "ort.wasm.min.mjs"));
  ort.env.wasm.wasmPaths = folder;
  ort.env.wasm.numThreads = number("threads");
  const started = performance.now();
  const session = await ort.InferenceSession.create("/model.onnx", { executionProviders: [backend] });
  const createMs = performance.now() - started;
  const difference = await check(ort, session);

  const row = () => Array.from({ length: number("tokens") }, () => 1000 + Math.floor(29000 * Math.random()));
  const ids = Array.from({ length: number("rows") }, row);
  const input = feeds(ort, ids, ids.map((r) => r.map(() => 1)), ids.map((r) => r.map(() => 0)));
  const times = [];
  for (let i = -3; i < number("repeats"); i++) {
    const before = performance.now();
    await (await session.run(input)).last_hidden_state.getData();
    if (i >= 0) times.push(performance.now() - before);
  }
  times.sort((a, b) => a - b);
  const round = (ms) => Math.round(100 * ms) / 100;
  return {
    backend,
    threads: crossOriginIsolated ? ort.env.wasm.numThreads : 1,
    create_ms: round(createMs),
    largest_difference: difference,
    forward: {
      median_ms: round(quantile(times, 0.5)),
      quartiles_ms: [round(quantile(times, 0.25)), round(quantile(times, 0.75))],
    },
  };
}

const result = await bench().catch((error) => ({ error: String(error?.stack ?? error) }));
await fetch("/result", { method: "POST", body: JSON.stringify(result) });
