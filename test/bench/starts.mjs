// From nothing: a session's first call, and the bridge itself.

import { median, quantile, rounds } from "./measure.mjs";
import { startProcess, stopProcess } from "./world.mjs";

export async function firstCall(world, quick) {
  const { access, sdk } = await world.place(0);
  const { client } = await world.bridge({}, ["--local", world.newDirectory()]);
  let count = 0;
  let tidy = async () => {};
  world.onClose(() => tidy());
  const samples = await rounds(quick ? 2 : 25, {
    official: async () => {
      const sandbox = await sdk.Sandbox.create({ ...access, cpus: 1, memoryMb: 1024, name: `bench-first-${count++}` });
      tidy = () => sandbox.terminate();
      if ((await sandbox.run("bash", { args: ["-c", "true"] })).exitCode !== 0) throw new Error("`true` failed");
    },
    sandbridge: async () => {
      const session = client.session(`first-${count++}`);
      tidy = () => session.destroy();
      const { failed, output } = await session.tools.call("bash", { command: "true", description: "Succeeds" });
      if (failed) throw new Error(output);
    },
  }, () => tidy());
  tidy = async () => {};
  const ours = median(samples.sandbridge);
  return [{
    what: "first tool call of a new local session", unit: "ms", samples,
    official: median(samples.official), sandbridge: ours, target: "<= 40", reached: ours <= 40,
    details: `5 % to 95 %: ${quantile(samples.sandbridge, 0.05).toFixed(1)} to ${quantile(samples.sandbridge, 0.95).toFixed(1)}; ` +
      "the official column is Sandbox.create and run",
  }];
}

export async function start(world, quick) {
  let running;
  const serve = async (state) => {
    running = (await startProcess(["serve", "--listen", "127.0.0.1:0"], { XDG_STATE_HOME: state }, /^sandbridge ready/)).child;
  };
  const stop = async () => {
    if (running) await stopProcess(running);
  };
  world.onClose(stop);
  const again = world.newDirectory();
  const samples = await rounds(quick ? 2 : 20, { first: () => serve(world.newDirectory()), again: () => serve(again) }, stop);
  const ours = median(samples.first);
  return [{
    what: "serve, start to ready", unit: "ms", samples, sandbridge: ours, target: "<= 50", reached: ours <= 50,
    details: `first start in an empty state directory; ${median(samples.again).toFixed(1)} ms when started again`,
  }];
}
