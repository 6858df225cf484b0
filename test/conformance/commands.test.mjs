import assert from "node:assert/strict";
import { before, describe, it } from "node:test";
import { sh, useCloud } from "./support.mjs";

const cloud = useCloud();

describe("commands", () => {
  let sandbox;

  before(async () => {
    sandbox = await cloud.create({ name: "commands" });
  });

  it("tell stdout, stderr and exit code apart", async () => {
    const result = await sh(sandbox, "echo out; echo err >&2; exit 7");
    assert.equal(result.stdout, "out");
    assert.equal(result.stderr, "err");
    assert.equal(result.exitCode, 7);
  });

  it("killed by a signal have a negative exit code", async () => {
    assert.equal((await sh(sandbox, "kill -9 $$")).exitCode, -9);
  });

  it("take environment, working directory and timeout", async () => {
    const result = await sh(sandbox, 'echo "$GREETING"; pwd', { env: { GREETING: "a 'b' \"c\"" }, workingDir: "/tmp" });
    assert.equal(result.stdout, "a 'b' \"c\"\n/tmp");
    const late = await sandbox.run("sleep", { args: ["60"], timeout: 0.2 });
    assert.notEqual(late.exitCode, 0);
  });

  it("do not see the server's environment or the host's files", async () => {
    const result = await sh(sandbox, "env; ls -A /root /home 2>/dev/null; cat /proc/*/environ | tr '\\0' '\\n'");
    assert.ok(!result.stdout.includes(cloud.key));
    const inside = await sh(sandbox, `test -e ${cloud.dir} && echo visible || echo hidden`);
    assert.equal(inside.stdout, "hidden");
  });

  it("run several at once", async () => {
    const results = await Promise.all([1, 2, 3, 4].map((n) => sh(sandbox, `echo ${n}`)));
    assert.deepEqual(results.map((result) => result.stdout), ["1", "2", "3", "4"]);
  });

  it("pass long output on whole", async () => {
    const result = await sh(sandbox, "seq 1 20000");
    const lines = result.stdout.split("\n");
    assert.equal(lines.length, 20000);
    assert.equal(lines[19999], "20000");
  });
});
