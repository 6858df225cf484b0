import type { ConnectOptions, SandboxClient } from "./types.ts";
export declare function connect(options?: ConnectOptions): SandboxClient;
