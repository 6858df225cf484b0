// Tool calls: how long they take beside the official SDK, near and far.

import { differences, median, quantile, rounds, time } from "./measure.mjs";

const LATENCY = 20; // ms each way
const ROUND_TRIP = 2 * LATENCY;
/** What a round trip may take beside its distance. */
const SLACK = 1.1;
const PARALLEL = 64;

async function succeed(result) {
  const { failed, output } = await result;
  if (failed) throw new Error(output);
}
const ourTrue = async ({ session }) => {
  const { failed, output, metadata } = await session.tools.call("bash", { command: "true", description: "Succeeds" });
  if (failed || metadata.exit !== 0) throw new Error(output);
};
const officialTrue = async ({ official }) => {
  const { exitCode } = await official.run("bash", { args: ["-c", "true"] });
  if (exitCode !== 0) throw new Error(`bash ended with ${exitCode}`);
};
/** Before each call the OpenCode plugin for TensorLake asks whether the sandbox runs. */
const asPlugin = async (place, call) => {
  const status = await place.official.status();
  if (status !== "running") throw new Error(`the sandbox is ${status}`);
  await call(place);
};

const spread = (samples) => `${quantile(samples, 0.05).toFixed(2)} to ${quantile(samples, 0.95).toFixed(2)}`;

function trueSamples(place, count) {
  return rounds(count, {
    official: () => officialTrue(place),
    sequence: () => asPlugin(place, officialTrue),
    sandbridge: () => ourTrue(place),
  });
}

export async function bash(world, quick) {
  const samples = await trueSamples(await world.place(0), quick ? 5 : 100);
  const more = median(differences(samples.official, samples.sandbridge));
  return [{
    what: "bash `true`, no latency", unit: "ms", samples,
    official: median(samples.official), sequence: median(samples.sequence), sandbridge: median(samples.sandbridge),
    target: "official call + 0.5", reached: more <= 0.5,
    details: `${more.toFixed(2)} ms more than the official call of the same round (median); 5 % to 95 %: official ` +
      `${spread(samples.official)}, sandbridge ${spread(samples.sandbridge)}`,
  }];
}

export async function bashAtDistance(world, quick) {
  const samples = await trueSamples(await world.place(LATENCY), quick ? 3 : 30);
  const ours = median(samples.sandbridge);
  const limit = SLACK * ROUND_TRIP;
  return [{
    what: `bash \`true\`, ${LATENCY} ms each way`, unit: "ms", samples,
    official: median(samples.official), sequence: median(samples.sequence), sandbridge: ours,
    target: `<= ${limit}`, reached: ours <= limit, details: `5 % to 95 %: sandbridge ${spread(samples.sandbridge)}`,
  }];
}

export async function edit(world, quick) {
  const place = await world.place(LATENCY);
  const { session, official } = place;
  const files = { ours: "/workspace/bench-edit-ours.txt", official: "/workspace/bench-edit-official.txt" };
  const text = `${"a line that stays\n".repeat(20)}word one\n${"another line that stays\n".repeat(20)}`;
  await session.files.write(files.ours, text);
  await session.files.write(files.official, text);
  const words = { ours: ["word one", "word two"], official: ["word one", "word two"] };
  const samples = await rounds(quick ? 3 : 30, {
    sequence: () => asPlugin(place, async () => {
      const [oldText, newText] = words.official;
      const before = new TextDecoder().decode(await official.readFile(files.official));
      const after = before.replace(oldText, newText);
      if (after === before) throw new Error("nothing to edit");
      await official.writeFile(files.official, new TextEncoder().encode(after));
      words.official.reverse();
    }),
    sandbridge: async () => {
      const [oldString, newString] = words.ours;
      await succeed(session.tools.call("edit", { filePath: files.ours, oldString, newString }));
      words.ours.reverse();
    },
  });
  const ours = median(samples.sandbridge);
  const limit = 2 * ROUND_TRIP * SLACK;
  return [{
    what: `edit of a small file, ${LATENCY} ms each way`, unit: "ms", samples,
    sequence: median(samples.sequence), sandbridge: ours,
    target: `2 round trips: <= ${limit}`, reached: ours <= limit,
    details: `${(ours / ROUND_TRIP).toFixed(2)} round trips' time`,
  }];
}

export async function parallel(world, quick) {
  const place = await world.place(LATENCY);
  const many = (call) => () => Promise.all(Array.from({ length: PARALLEL }, () => call(place)));
  const samples = await rounds(quick ? 1 : 7, {
    one: () => ourTrue(place),
    official: many(officialTrue),
    sequence: many((p) => asPlugin(p, officialTrue)),
    sandbridge: many(ourTrue),
  });
  const one = median(samples.one);
  const ours = median(samples.sandbridge);
  // Nothing can be faster than the machine starts processes: what they cost without any network in between.
  const alone = await time(() => place.session.run(`for i in $(seq ${PARALLEL}); do sh -c true; done`));
  return [{
    what: `${PARALLEL} parallel \`true\`, ${LATENCY} ms each way`, unit: "ms", samples,
    official: median(samples.official), sequence: median(samples.sequence), sandbridge: ours,
    target: `1.5 x one: <= ${(1.5 * one).toFixed(1)}`, reached: ours <= 1.5 * one,
    details: `${(ours / one).toFixed(2)} x one call of ${one.toFixed(1)} ms; ${PARALLEL} times \`sh -c true\` one after the ` +
      `other inside one command: ${(alone - one).toFixed(0)} ms`,
  }];
}
