// A harness in TypeScript: opens a session, writes a file, streams a command, calls a tool, destroys the session.
// Bridge and token come from SANDBRIDGE_URL and SANDBRIDGE_TOKEN, or are those of `sandbridge serve` on this machine.
import { connect } from "opencode-sandbridge/client";

const SCRIPT = `# Prints the primes up to a number.
i=2
while [ $i -le $1 ]; do
  prime=yes; d=2
  while [ $((d * d)) -le $i ]; do
    [ $((i % d)) -eq 0 ] && prime=no
    d=$((d + 1))
  done
  [ $prime = yes ] && echo $i
  i=$((i + 1))
done
true
`;

await using client = connect({ name: "harness-example" });
const { version, backend } = await client.hello();
console.log(`sandbridge ${version}, ${backend} sandboxes`);

const session = client.session(`harness-ts-${process.pid}`);
try {
  await session.files.write("primes.sh", SCRIPT);

  // Output arrives as it is printed; what is not read holds the command back.
  const ended = await session.exec(["sh", "primes.sh", "20"], {
    timeoutMs: 60_000,
    onStdout: (bytes) => void process.stdout.write(bytes),
  });
  if (ended.code !== 0) throw new Error(`primes.sh ended with ${JSON.stringify(ended)}`);

  // Any of OpenCode's tools, with the arguments that a model would give it.
  const found = await session.tools.call("grep", { pattern: "prime=no" });
  if (found.failed) throw new Error(found.output);
  console.log(found.output);
} finally {
  await session.destroy();
}
