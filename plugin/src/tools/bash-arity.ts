// How many words of a command make up what "always allow" allows: `git status *`, `npm run build *`, but `ls *`.
// OpenCode's own table. Flags count as words, and whatever is not listed has one.

const WORDS: Readonly<Record<number, readonly string[]>> = {
  2: [
    ..."bazel brew bun cargo cdk cf cmake composer consul crictl deno docker eksctl firebase flyctl".split(" "),
    ..."git go gradle helm heroku hugo ip kind kubectl kustomize make mc minikube mongosh mysql mvn".split(" "),
    ..."ng npm nvm nx openssl pip pipenv pnpm poetry podman psql pulumi pyenv python rake rbenv".split(" "),
    ..."redis-cli rustup serverless skaffold sls sst swift systemctl terraform tmux turbo ufw vault".split(" "),
    ..."vercel volta wp yarn".split(" "),
  ],
  3: [
    ..."aws az doctl gcloud gh sfdx".split(" "),
    ...["bun run", "bun x", "cargo add", "cargo run", "consul kv", "deno task", "docker builder"],
    ...["docker compose", "docker container", "docker image", "docker network", "docker volume"],
    ...["eksctl create", "git config", "git remote", "git stash", "ip addr", "ip link", "ip netns"],
    ...["ip route", "kind create", "kubectl kustomize", "kubectl rollout", "mc admin", "npm exec"],
    ...["npm init", "npm run", "npm view", "openssl req", "openssl x509", "pnpm dlx", "pnpm exec"],
    ...["pnpm run", "podman container", "podman image", "pulumi stack", "terraform workspace"],
    ...["vault auth", "vault kv", "yarn dlx", "yarn run"],
  ],
};

const ARITY = new Map<string, number>(
  Object.entries(WORDS).flatMap(([count, prefixes]) =>
    prefixes.map((prefix): [string, number] => [prefix, Number(count)]),
  ),
);

/** The words that stand for the command; the longest listed prefix decides. */
export function commandPrefix(words: readonly string[]): string[] {
  for (let length = Math.min(words.length, 2); length > 0; length--) {
    const arity = ARITY.get(words.slice(0, length).join(" "));
    if (arity !== undefined) return words.slice(0, arity);
  }
  return words.slice(0, 1);
}
