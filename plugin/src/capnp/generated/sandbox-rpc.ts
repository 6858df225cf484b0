// Generated from sandbox-rpc.capnp by generate.mjs; do not edit.
import * as $ from "capnp-es";
import { capabilityField } from "../pointers.ts";
export const _capnpFileId = 0xf390b7b5e938d844n;
export class SandboxRpcApi_Hello$Params extends $.Struct {
  static override readonly _capnp = {
    displayName: "hello$Params",
    id: "a04ff32e3a015316",
    size: new $.ObjectSize(0, 1),
  };
  _adoptClient(value: $.Orphan<ClientInfo>): void {
    $.utils.adopt(value, $.utils.getPointer(0, this));
  }
  _disownClient(): $.Orphan<ClientInfo> {
    return $.utils.disown(this.client);
  }
  get client(): ClientInfo {
    return $.utils.getStruct(0, ClientInfo, this);
  }
  _hasClient(): boolean {
    return !$.utils.isNull($.utils.getPointer(0, this));
  }
  _initClient(): ClientInfo {
    return $.utils.initStructAt(0, ClientInfo, this);
  }
  set client(value: ClientInfo) {
    $.utils.copyFrom(value, $.utils.getPointer(0, this));
  }
  override toString(): string { return "SandboxRpcApi_Hello$Params_" + super.toString(); }
}
export class SandboxRpcApi_Hello$Results extends $.Struct {
  static override readonly _capnp = {
    displayName: "hello$Results",
    id: "f1d86e3774e67917",
    size: new $.ObjectSize(0, 1),
  };
  _adoptServer(value: $.Orphan<ServerInfo>): void {
    $.utils.adopt(value, $.utils.getPointer(0, this));
  }
  _disownServer(): $.Orphan<ServerInfo> {
    return $.utils.disown(this.server);
  }
  get server(): ServerInfo {
    return $.utils.getStruct(0, ServerInfo, this);
  }
  _hasServer(): boolean {
    return !$.utils.isNull($.utils.getPointer(0, this));
  }
  _initServer(): ServerInfo {
    return $.utils.initStructAt(0, ServerInfo, this);
  }
  set server(value: ServerInfo) {
    $.utils.copyFrom(value, $.utils.getPointer(0, this));
  }
  override toString(): string { return "SandboxRpcApi_Hello$Results_" + super.toString(); }
}
export class SandboxRpcApi_Hello$Results$Promise {
  pipeline: $.Pipeline<any, any, SandboxRpcApi_Hello$Results>;
  constructor(pipeline: $.Pipeline<any, any, SandboxRpcApi_Hello$Results>) {
    this.pipeline = pipeline;
  }
  async promise(): Promise<SandboxRpcApi_Hello$Results> {
    return await this.pipeline.struct();
  }
}
export class SandboxRpcApi_Session$Params extends $.Struct {
  static override readonly _capnp = {
    displayName: "session$Params",
    id: "85818c050a0bbb45",
    size: new $.ObjectSize(0, 2),
  };
  _adoptKey(value: $.Orphan<SessionKey>): void {
    $.utils.adopt(value, $.utils.getPointer(0, this));
  }
  _disownKey(): $.Orphan<SessionKey> {
    return $.utils.disown(this.key);
  }
  get key(): SessionKey {
    return $.utils.getStruct(0, SessionKey, this);
  }
  _hasKey(): boolean {
    return !$.utils.isNull($.utils.getPointer(0, this));
  }
  _initKey(): SessionKey {
    return $.utils.initStructAt(0, SessionKey, this);
  }
  set key(value: SessionKey) {
    $.utils.copyFrom(value, $.utils.getPointer(0, this));
  }
  _adoptOptions(value: $.Orphan<SandboxOptions>): void {
    $.utils.adopt(value, $.utils.getPointer(1, this));
  }
  _disownOptions(): $.Orphan<SandboxOptions> {
    return $.utils.disown(this.options);
  }
  get options(): SandboxOptions {
    return $.utils.getStruct(1, SandboxOptions, this);
  }
  _hasOptions(): boolean {
    return !$.utils.isNull($.utils.getPointer(1, this));
  }
  _initOptions(): SandboxOptions {
    return $.utils.initStructAt(1, SandboxOptions, this);
  }
  set options(value: SandboxOptions) {
    $.utils.copyFrom(value, $.utils.getPointer(1, this));
  }
  override toString(): string { return "SandboxRpcApi_Session$Params_" + super.toString(); }
}
export class SandboxRpcApi_Session$Results extends $.Struct {
  static override readonly _capnp = {
    displayName: "session$Results",
    id: "b73500b21cb49347",
    size: new $.ObjectSize(0, 1),
  };
  get session(): Session$Client | null {
    const client = capabilityField(0, this);
    return client ? new Session$Client(client) : null;
  }
  set session(value: Session$Client | null) {
    if (value) $.utils.setInterfacePointer(this.segment.message.addCap(value.client), $.utils.getPointer(0, this));
    else $.utils.erase($.utils.getPointer(0, this));
  }
  override toString(): string { return "SandboxRpcApi_Session$Results_" + super.toString(); }
}
export class SandboxRpcApi_Session$Results$Promise {
  pipeline: $.Pipeline<any, any, SandboxRpcApi_Session$Results>;
  constructor(pipeline: $.Pipeline<any, any, SandboxRpcApi_Session$Results>) {
    this.pipeline = pipeline;
  }
  getSession(): Session$Client {
    return new Session$Client(this.pipeline.getPipeline(Session, 0).client());
  }
  async promise(): Promise<SandboxRpcApi_Session$Results> {
    return await this.pipeline.struct();
  }
}
export class SandboxRpcApi_Sessions$Params extends $.Struct {
  static override readonly _capnp = {
    displayName: "sessions$Params",
    id: "f636eee8e5b28ef8",
    size: new $.ObjectSize(0, 0),
  };
  override toString(): string { return "SandboxRpcApi_Sessions$Params_" + super.toString(); }
}
export class SandboxRpcApi_Sessions$Results extends $.Struct {
  static override readonly _capnp = {
    displayName: "sessions$Results",
    id: "e509b1848f1c770e",
    size: new $.ObjectSize(0, 1),
  };
  static _Sessions: $.ListCtor<SessionInfo>;
  _adoptSessions(value: $.Orphan<$.List<SessionInfo>>): void {
    $.utils.adopt(value, $.utils.getPointer(0, this));
  }
  _disownSessions(): $.Orphan<$.List<SessionInfo>> {
    return $.utils.disown(this.sessions);
  }
  get sessions(): $.List<SessionInfo> {
    return $.utils.getList(0, SandboxRpcApi_Sessions$Results._Sessions, this);
  }
  _hasSessions(): boolean {
    return !$.utils.isNull($.utils.getPointer(0, this));
  }
  _initSessions(length: number): $.List<SessionInfo> {
    return $.utils.initList(0, SandboxRpcApi_Sessions$Results._Sessions, length, this);
  }
  set sessions(value: $.List<SessionInfo>) {
    $.utils.copyFrom(value, $.utils.getPointer(0, this));
  }
  override toString(): string { return "SandboxRpcApi_Sessions$Results_" + super.toString(); }
}
export class SandboxRpcApi_Sessions$Results$Promise {
  pipeline: $.Pipeline<any, any, SandboxRpcApi_Sessions$Results>;
  constructor(pipeline: $.Pipeline<any, any, SandboxRpcApi_Sessions$Results>) {
    this.pipeline = pipeline;
  }
  async promise(): Promise<SandboxRpcApi_Sessions$Results> {
    return await this.pipeline.struct();
  }
}
export class SandboxRpcApi_Watch$Params extends $.Struct {
  static override readonly _capnp = {
    displayName: "watch$Params",
    id: "aa3b532f194fabac",
    size: new $.ObjectSize(0, 1),
  };
  get listener(): SessionListener$Client | null {
    const client = capabilityField(0, this);
    return client ? new SessionListener$Client(client) : null;
  }
  set listener(value: SessionListener$Client | null) {
    if (value) $.utils.setInterfacePointer(this.segment.message.addCap(value.client), $.utils.getPointer(0, this));
    else $.utils.erase($.utils.getPointer(0, this));
  }
  override toString(): string { return "SandboxRpcApi_Watch$Params_" + super.toString(); }
}
export class SandboxRpcApi_Watch$Results extends $.Struct {
  static override readonly _capnp = {
    displayName: "watch$Results",
    id: "8dfee9c0aac90790",
    size: new $.ObjectSize(0, 1),
  };
  get handle(): Handle$Client | null {
    const client = capabilityField(0, this);
    return client ? new Handle$Client(client) : null;
  }
  set handle(value: Handle$Client | null) {
    if (value) $.utils.setInterfacePointer(this.segment.message.addCap(value.client), $.utils.getPointer(0, this));
    else $.utils.erase($.utils.getPointer(0, this));
  }
  override toString(): string { return "SandboxRpcApi_Watch$Results_" + super.toString(); }
}
export class SandboxRpcApi_Watch$Results$Promise {
  pipeline: $.Pipeline<any, any, SandboxRpcApi_Watch$Results>;
  constructor(pipeline: $.Pipeline<any, any, SandboxRpcApi_Watch$Results>) {
    this.pipeline = pipeline;
  }
  getHandle(): Handle$Client {
    return new Handle$Client(this.pipeline.getPipeline(Handle, 0).client());
  }
  async promise(): Promise<SandboxRpcApi_Watch$Results> {
    return await this.pipeline.struct();
  }
}
export class SandboxRpcApi_Ping$Params extends $.Struct {
  static override readonly _capnp = {
    displayName: "ping$Params",
    id: "c5f1c5f24f2523aa",
    size: new $.ObjectSize(0, 0),
  };
  override toString(): string { return "SandboxRpcApi_Ping$Params_" + super.toString(); }
}
export class SandboxRpcApi_Ping$Results extends $.Struct {
  static override readonly _capnp = {
    displayName: "ping$Results",
    id: "929a8dcccf14cff5",
    size: new $.ObjectSize(0, 0),
  };
  override toString(): string { return "SandboxRpcApi_Ping$Results_" + super.toString(); }
}
export class SandboxRpcApi_Ping$Results$Promise {
  pipeline: $.Pipeline<any, any, SandboxRpcApi_Ping$Results>;
  constructor(pipeline: $.Pipeline<any, any, SandboxRpcApi_Ping$Results>) {
    this.pipeline = pipeline;
  }
  async promise(): Promise<SandboxRpcApi_Ping$Results> {
    return await this.pipeline.struct();
  }
}
export class SandboxRpcApi$Client {
  client: $.Client;
  static readonly interfaceId: bigint = 0xa09038ec5f515641n;
  constructor(client: $.Client) {
    this.client = client;
  }
  static readonly methods: [
    $.Method<SandboxRpcApi_Hello$Params, SandboxRpcApi_Hello$Results>,
    $.Method<SandboxRpcApi_Session$Params, SandboxRpcApi_Session$Results>,
    $.Method<SandboxRpcApi_Sessions$Params, SandboxRpcApi_Sessions$Results>,
    $.Method<SandboxRpcApi_Watch$Params, SandboxRpcApi_Watch$Results>,
    $.Method<SandboxRpcApi_Ping$Params, SandboxRpcApi_Ping$Results>
  ] = [
    {
      ParamsClass: SandboxRpcApi_Hello$Params,
      ResultsClass: SandboxRpcApi_Hello$Results,
      interfaceId: SandboxRpcApi$Client.interfaceId,
      methodId: 0,
      interfaceName: "sandbox-rpc.capnp:SandboxRpcApi",
      methodName: "hello"
    },
    {
      ParamsClass: SandboxRpcApi_Session$Params,
      ResultsClass: SandboxRpcApi_Session$Results,
      interfaceId: SandboxRpcApi$Client.interfaceId,
      methodId: 1,
      interfaceName: "sandbox-rpc.capnp:SandboxRpcApi",
      methodName: "session"
    },
    {
      ParamsClass: SandboxRpcApi_Sessions$Params,
      ResultsClass: SandboxRpcApi_Sessions$Results,
      interfaceId: SandboxRpcApi$Client.interfaceId,
      methodId: 2,
      interfaceName: "sandbox-rpc.capnp:SandboxRpcApi",
      methodName: "sessions"
    },
    {
      ParamsClass: SandboxRpcApi_Watch$Params,
      ResultsClass: SandboxRpcApi_Watch$Results,
      interfaceId: SandboxRpcApi$Client.interfaceId,
      methodId: 3,
      interfaceName: "sandbox-rpc.capnp:SandboxRpcApi",
      methodName: "watch"
    },
    {
      ParamsClass: SandboxRpcApi_Ping$Params,
      ResultsClass: SandboxRpcApi_Ping$Results,
      interfaceId: SandboxRpcApi$Client.interfaceId,
      methodId: 4,
      interfaceName: "sandbox-rpc.capnp:SandboxRpcApi",
      methodName: "ping"
    }
  ];
  /**
* Says who calls and learns who answers. Optional; no effect on the connection.
*
*/
  hello(paramsFunc?: (params: SandboxRpcApi_Hello$Params) => void): SandboxRpcApi_Hello$Results$Promise {
    const answer = this.client.call({
      method: SandboxRpcApi$Client.methods[0],
      ...(paramsFunc && { paramsFunc })
    });
    const pipeline = new $.Pipeline(SandboxRpcApi_Hello$Results, answer);
    return new SandboxRpcApi_Hello$Results$Promise(pipeline);
  }
  /**
* The session with this key. Does no I/O and cannot fail for an unknown id: pipeline on the result at once.
* Equal root ids lead to the same sandbox, on every connection and after a restart of the bridge.
*
*/
  session(paramsFunc?: (params: SandboxRpcApi_Session$Params) => void): SandboxRpcApi_Session$Results$Promise {
    const answer = this.client.call({
      method: SandboxRpcApi$Client.methods[1],
      ...(paramsFunc && { paramsFunc })
    });
    const pipeline = new $.Pipeline(SandboxRpcApi_Session$Results, answer);
    return new SandboxRpcApi_Session$Results$Promise(pipeline);
  }
  /**
* Every session that has a sandbox, named by this product, in the account that the bridge uses. One or more requests
* to TensorLake (its pages are followed).
*
*/
  sessions(paramsFunc?: (params: SandboxRpcApi_Sessions$Params) => void): SandboxRpcApi_Sessions$Results$Promise {
    const answer = this.client.call({
      method: SandboxRpcApi$Client.methods[2],
      ...(paramsFunc && { paramsFunc })
    });
    const pipeline = new $.Pipeline(SandboxRpcApi_Sessions$Results, answer);
    return new SandboxRpcApi_Sessions$Results$Promise(pipeline);
  }
  /**
* Calls `listener` on each event of any session until the handle is dropped. Events are not replayed.
*
*/
  watch(paramsFunc?: (params: SandboxRpcApi_Watch$Params) => void): SandboxRpcApi_Watch$Results$Promise {
    const answer = this.client.call({
      method: SandboxRpcApi$Client.methods[3],
      ...(paramsFunc && { paramsFunc })
    });
    const pipeline = new $.Pipeline(SandboxRpcApi_Watch$Results, answer);
    return new SandboxRpcApi_Watch$Results$Promise(pipeline);
  }
  /**
* Answers at once. For finding out whether the connection still works.
*
*/
  ping(paramsFunc?: (params: SandboxRpcApi_Ping$Params) => void): SandboxRpcApi_Ping$Results$Promise {
    const answer = this.client.call({
      method: SandboxRpcApi$Client.methods[4],
      ...(paramsFunc && { paramsFunc })
    });
    const pipeline = new $.Pipeline(SandboxRpcApi_Ping$Results, answer);
    return new SandboxRpcApi_Ping$Results$Promise(pipeline);
  }
}
$.Registry.register(SandboxRpcApi$Client.interfaceId, SandboxRpcApi$Client);
export interface SandboxRpcApi$Server$Target {
  hello(params: SandboxRpcApi_Hello$Params, results: SandboxRpcApi_Hello$Results): Promise<void>;
  session(params: SandboxRpcApi_Session$Params, results: SandboxRpcApi_Session$Results): Promise<void>;
  sessions(params: SandboxRpcApi_Sessions$Params, results: SandboxRpcApi_Sessions$Results): Promise<void>;
  watch(params: SandboxRpcApi_Watch$Params, results: SandboxRpcApi_Watch$Results): Promise<void>;
  ping(params: SandboxRpcApi_Ping$Params, results: SandboxRpcApi_Ping$Results): Promise<void>;
}
export class SandboxRpcApi$Server extends $.Server {
  declare readonly target: SandboxRpcApi$Server$Target;
  constructor(target: SandboxRpcApi$Server$Target) {
    super(target, [
      {
        ...SandboxRpcApi$Client.methods[0],
        impl: target.hello
      },
      {
        ...SandboxRpcApi$Client.methods[1],
        impl: target.session
      },
      {
        ...SandboxRpcApi$Client.methods[2],
        impl: target.sessions
      },
      {
        ...SandboxRpcApi$Client.methods[3],
        impl: target.watch
      },
      {
        ...SandboxRpcApi$Client.methods[4],
        impl: target.ping
      }
    ]);
    this.target = target;
  }
  client(): SandboxRpcApi$Client {
    return new SandboxRpcApi$Client(this);
  }
}
/**
* The bootstrap interface. Its holder may open any session of this bridge.
*
*/
export class SandboxRpcApi extends $.Interface {
  static readonly Client = SandboxRpcApi$Client;
  static readonly Server = SandboxRpcApi$Server;
  static override readonly _capnp = {
    displayName: "SandboxRpcApi",
    id: "a09038ec5f515641",
    size: new $.ObjectSize(0, 0),
  };
  override toString(): string { return "SandboxRpcApi_" + super.toString(); }
}
export class ClientInfo extends $.Struct {
  static override readonly _capnp = {
    displayName: "ClientInfo",
    id: "e1190e5dd3a2623a",
    size: new $.ObjectSize(0, 2),
  };
  /**
* for example "opencode-sandbridge"
*
*/
  get name(): string {
    return $.utils.getText(0, this);
  }
  set name(value: string) {
    $.utils.setText(0, value, this);
  }
  get version(): string {
    return $.utils.getText(1, this);
  }
  set version(value: string) {
    $.utils.setText(1, value, this);
  }
  override toString(): string { return "ClientInfo_" + super.toString(); }
}
export const ServerInfo_Backend = {
  /**
* on the bridge's machine
*
*/
  LOCAL: 0,
  TENSORLAKE: 1
} as const;
export type ServerInfo_Backend = (typeof ServerInfo_Backend)[keyof typeof ServerInfo_Backend];
export class ServerInfo extends $.Struct {
  static readonly Backend = ServerInfo_Backend;
  static override readonly _capnp = {
    displayName: "ServerInfo",
    id: "d569aab094c7ca4d",
    size: new $.ObjectSize(8, 4),
  };
  /**
* "sandbridge"
*
*/
  get name(): string {
    return $.utils.getText(0, this);
  }
  set name(value: string) {
    $.utils.setText(0, value, this);
  }
  get version(): string {
    return $.utils.getText(1, this);
  }
  set version(value: string) {
    $.utils.setText(1, value, this);
  }
  /**
* where the sandboxes are
*
*/
  get backend(): ServerInfo_Backend {
    return $.utils.getUint16(0, this) as ServerInfo_Backend;
  }
  set backend(value: ServerInfo_Backend) {
    $.utils.setUint16(0, value, this);
  }
  /**
* the workspace's path in every sandbox
*
*/
  get workspace(): string {
    return $.utils.getText(2, this);
  }
  set workspace(value: string) {
    $.utils.setText(2, value, this);
  }
  _adoptTools(value: $.Orphan<$.List<string>>): void {
    $.utils.adopt(value, $.utils.getPointer(3, this));
  }
  _disownTools(): $.Orphan<$.List<string>> {
    return $.utils.disown(this.tools);
  }
  /**
* the names that `Tools.call` knows
*
*/
  get tools(): $.List<string> {
    return $.utils.getList(3, $.TextList, this);
  }
  _hasTools(): boolean {
    return !$.utils.isNull($.utils.getPointer(3, this));
  }
  _initTools(length: number): $.List<string> {
    return $.utils.initList(3, $.TextList, length, this);
  }
  set tools(value: $.List<string>) {
    $.utils.copyFrom(value, $.utils.getPointer(3, this));
  }
  override toString(): string { return "ServerInfo_" + super.toString(); }
}
export class SessionKey extends $.Struct {
  static override readonly _capnp = {
    displayName: "SessionKey",
    id: "b5e5d83eb66dab53",
    size: new $.ObjectSize(0, 2),
  };
  /**
* The caller's own name for the session, any bytes but none empty; at most 64 KiB.
*
*/
  get id(): string {
    return $.utils.getText(0, this);
  }
  set id(value: string) {
    $.utils.setText(0, value, this);
  }
  /**
* The session at the top of its family, whose sandbox this one shares. Empty: `id` itself is the root.
*
*/
  get root(): string {
    return $.utils.getText(1, this);
  }
  set root(value: string) {
    $.utils.setText(1, value, this);
  }
  override toString(): string { return "SessionKey_" + super.toString(); }
}
/**
* Used when the sandbox has to be created; ignored when it exists. Zero and empty fields mean the bridge's defaults.
*
*/
export class SandboxOptions extends $.Struct {
  static override readonly _capnp = {
    displayName: "SandboxOptions",
    id: "990833509bd803fe",
    size: new $.ObjectSize(24, 1),
  };
  get image(): string {
    return $.utils.getText(0, this);
  }
  set image(value: string) {
    $.utils.setText(0, value, this);
  }
  get cpus(): number {
    return $.utils.getFloat64(0, this);
  }
  set cpus(value: number) {
    $.utils.setFloat64(0, value, this);
  }
  get memoryMb(): number {
    return $.utils.getUint32(8, this);
  }
  set memoryMb(value: number) {
    $.utils.setUint32(8, value, this);
  }
  get diskMb(): number {
    return $.utils.getUint32(12, this);
  }
  set diskMb(value: number) {
    $.utils.setUint32(12, value, this);
  }
  /**
* idle time after which the sandbox is suspended
*
*/
  get timeoutSecs(): number {
    return $.utils.getUint32(16, this);
  }
  set timeoutSecs(value: number) {
    $.utils.setUint32(16, value, this);
  }
  override toString(): string { return "SandboxOptions_" + super.toString(); }
}
export class SessionInfo extends $.Struct {
  static override readonly _capnp = {
    displayName: "SessionInfo",
    id: "cd714952e02c1d57",
    size: new $.ObjectSize(8, 5),
  };
  /**
* the root session's id, where it is known (else empty)
*
*/
  get id(): string {
    return $.utils.getText(0, this);
  }
  set id(value: string) {
    $.utils.setText(0, value, this);
  }
  get sandboxName(): string {
    return $.utils.getText(1, this);
  }
  set sandboxName(value: string) {
    $.utils.setText(1, value, this);
  }
  /**
* empty while there is none
*
*/
  get sandboxId(): string {
    return $.utils.getText(2, this);
  }
  set sandboxId(value: string) {
    $.utils.setText(2, value, this);
  }
  /**
* "none", or TensorLake's: pending running snapshotting suspending suspended terminated
*
*/
  get status(): string {
    return $.utils.getText(3, this);
  }
  set status(value: string) {
    $.utils.setText(3, value, this);
  }
  get createdAt(): bigint {
    return $.utils.getInt64(0, this);
  }
  set createdAt(value: bigint) {
    $.utils.setInt64(0, value, this);
  }
  get workspace(): string {
    return $.utils.getText(4, this);
  }
  set workspace(value: string) {
    $.utils.setText(4, value, this);
  }
  override toString(): string { return "SessionInfo_" + super.toString(); }
}
export class Handle$Client {
  client: $.Client;
  static readonly interfaceId: bigint = 0xd41518a5c7fd92d8n;
  constructor(client: $.Client) {
    this.client = client;
  }
  static readonly methods: [
  ] = [];
}
$.Registry.register(Handle$Client.interfaceId, Handle$Client);
export interface Handle$Server$Target {
}
export class Handle$Server extends $.Server {
  declare readonly target: Handle$Server$Target;
  constructor(target: Handle$Server$Target) {
    super(target, []);
    this.target = target;
  }
  client(): Handle$Client {
    return new Handle$Client(this);
  }
}
/**
* Ends what it stands for when it is dropped.
*
*/
export class Handle extends $.Interface {
  static readonly Client = Handle$Client;
  static readonly Server = Handle$Server;
  static override readonly _capnp = {
    displayName: "Handle",
    id: "d41518a5c7fd92d8",
    size: new $.ObjectSize(0, 0),
  };
  override toString(): string { return "Handle_" + super.toString(); }
}
export class SessionListener_Event$Params extends $.Struct {
  static override readonly _capnp = {
    displayName: "event$Params",
    id: "ec4205f28b8681bf",
    size: new $.ObjectSize(0, 1),
  };
  _adoptEvent(value: $.Orphan<SessionEvent>): void {
    $.utils.adopt(value, $.utils.getPointer(0, this));
  }
  _disownEvent(): $.Orphan<SessionEvent> {
    return $.utils.disown(this.event);
  }
  get event(): SessionEvent {
    return $.utils.getStruct(0, SessionEvent, this);
  }
  _hasEvent(): boolean {
    return !$.utils.isNull($.utils.getPointer(0, this));
  }
  _initEvent(): SessionEvent {
    return $.utils.initStructAt(0, SessionEvent, this);
  }
  set event(value: SessionEvent) {
    $.utils.copyFrom(value, $.utils.getPointer(0, this));
  }
  override toString(): string { return "SessionListener_Event$Params_" + super.toString(); }
}
export class SessionListener_Event$Results extends $.Struct {
  static override readonly _capnp = {
    displayName: "event$Results",
    id: "8955b2234abbb2d1",
    size: new $.ObjectSize(0, 0),
  };
  override toString(): string { return "SessionListener_Event$Results_" + super.toString(); }
}
export class SessionListener_Event$Results$Promise {
  pipeline: $.Pipeline<any, any, SessionListener_Event$Results>;
  constructor(pipeline: $.Pipeline<any, any, SessionListener_Event$Results>) {
    this.pipeline = pipeline;
  }
  async promise(): Promise<SessionListener_Event$Results> {
    return await this.pipeline.struct();
  }
}
export class SessionListener$Client {
  client: $.Client;
  static readonly interfaceId: bigint = 0xc7aeab064f62025dn;
  constructor(client: $.Client) {
    this.client = client;
  }
  static readonly methods: [
    $.Method<SessionListener_Event$Params, SessionListener_Event$Results>
  ] = [
    {
      ParamsClass: SessionListener_Event$Params,
      ResultsClass: SessionListener_Event$Results,
      interfaceId: SessionListener$Client.interfaceId,
      methodId: 0,
      interfaceName: "sandbox-rpc.capnp:SessionListener",
      methodName: "event"
    }
  ];
  event(paramsFunc?: (params: SessionListener_Event$Params) => void): SessionListener_Event$Results$Promise {
    const answer = this.client.call({
      method: SessionListener$Client.methods[0],
      ...(paramsFunc && { paramsFunc })
    });
    const pipeline = new $.Pipeline(SessionListener_Event$Results, answer);
    return new SessionListener_Event$Results$Promise(pipeline);
  }
}
$.Registry.register(SessionListener$Client.interfaceId, SessionListener$Client);
export interface SessionListener$Server$Target {
  event(params: SessionListener_Event$Params, results: SessionListener_Event$Results): Promise<void>;
}
export class SessionListener$Server extends $.Server {
  declare readonly target: SessionListener$Server$Target;
  constructor(target: SessionListener$Server$Target) {
    super(target, [
      {
        ...SessionListener$Client.methods[0],
        impl: target.event
      }
    ]);
    this.target = target;
  }
  client(): SessionListener$Client {
    return new SessionListener$Client(this);
  }
}
export class SessionListener extends $.Interface {
  static readonly Client = SessionListener$Client;
  static readonly Server = SessionListener$Server;
  static override readonly _capnp = {
    displayName: "SessionListener",
    id: "c7aeab064f62025d",
    size: new $.ObjectSize(0, 0),
  };
  override toString(): string { return "SessionListener_" + super.toString(); }
}
export const SessionEvent_Kind = {
  /**
* a new sandbox was made for the session
*
*/
  CREATED: 0,
  /**
* a suspended sandbox runs again
*
*/
  RESUMED: 1,
  /**
* an existing running sandbox was found (after a restart of the bridge)
*
*/
  CONNECTED: 2,
  /**
* the sandbox ended by itself; its files are gone
*
*/
  LOST: 3,
  SUSPENDED: 4,
  DELETED: 5,
  /**
* A program in the sandbox listens on `port`, whoever started it and on whatever address: told once until it stops to. Looked
* for while commands of this bridge run, and for 30 s after one that left something in the background; at most 64 ports.
* A port is known about a second after it was opened. A bridge that was started again tells of those that are open anew.
*
*/
  LISTENING: 6
} as const;
export type SessionEvent_Kind = (typeof SessionEvent_Kind)[keyof typeof SessionEvent_Kind];
export class SessionEvent extends $.Struct {
  static readonly Kind = SessionEvent_Kind;
  static override readonly _capnp = {
    displayName: "SessionEvent",
    id: "8ffe0085a449f66b",
    size: new $.ObjectSize(8, 2),
  };
  /**
* the root session's id
*
*/
  get sessionId(): string {
    return $.utils.getText(0, this);
  }
  set sessionId(value: string) {
    $.utils.setText(0, value, this);
  }
  get kind(): SessionEvent_Kind {
    return $.utils.getUint16(0, this) as SessionEvent_Kind;
  }
  set kind(value: SessionEvent_Kind) {
    $.utils.setUint16(0, value, this);
  }
  /**
* a sentence for people
*
*/
  get text(): string {
    return $.utils.getText(1, this);
  }
  set text(value: string) {
    $.utils.setText(1, value, this);
  }
  /**
* of `listening`; else 0
*
*/
  get port(): number {
    return $.utils.getUint16(2, this);
  }
  set port(value: number) {
    $.utils.setUint16(2, value, this);
  }
  override toString(): string { return "SessionEvent_" + super.toString(); }
}
export class Session_Prepare$Params extends $.Struct {
  static override readonly _capnp = {
    displayName: "prepare$Params",
    id: "ed33b0686385f140",
    size: new $.ObjectSize(0, 0),
  };
  override toString(): string { return "Session_Prepare$Params_" + super.toString(); }
}
export class Session_Prepare$Results extends $.Struct {
  static override readonly _capnp = {
    displayName: "prepare$Results",
    id: "f3be0533f51adffd",
    size: new $.ObjectSize(0, 1),
  };
  _adoptInfo(value: $.Orphan<SessionInfo>): void {
    $.utils.adopt(value, $.utils.getPointer(0, this));
  }
  _disownInfo(): $.Orphan<SessionInfo> {
    return $.utils.disown(this.info);
  }
  get info(): SessionInfo {
    return $.utils.getStruct(0, SessionInfo, this);
  }
  _hasInfo(): boolean {
    return !$.utils.isNull($.utils.getPointer(0, this));
  }
  _initInfo(): SessionInfo {
    return $.utils.initStructAt(0, SessionInfo, this);
  }
  set info(value: SessionInfo) {
    $.utils.copyFrom(value, $.utils.getPointer(0, this));
  }
  override toString(): string { return "Session_Prepare$Results_" + super.toString(); }
}
export class Session_Prepare$Results$Promise {
  pipeline: $.Pipeline<any, any, Session_Prepare$Results>;
  constructor(pipeline: $.Pipeline<any, any, Session_Prepare$Results>) {
    this.pipeline = pipeline;
  }
  async promise(): Promise<Session_Prepare$Results> {
    return await this.pipeline.struct();
  }
}
export class Session_Info$Params extends $.Struct {
  static override readonly _capnp = {
    displayName: "info$Params",
    id: "9ed065977f869068",
    size: new $.ObjectSize(0, 0),
  };
  override toString(): string { return "Session_Info$Params_" + super.toString(); }
}
export class Session_Info$Results extends $.Struct {
  static override readonly _capnp = {
    displayName: "info$Results",
    id: "a031d5c93b7f488c",
    size: new $.ObjectSize(0, 1),
  };
  _adoptInfo(value: $.Orphan<SessionInfo>): void {
    $.utils.adopt(value, $.utils.getPointer(0, this));
  }
  _disownInfo(): $.Orphan<SessionInfo> {
    return $.utils.disown(this.info);
  }
  get info(): SessionInfo {
    return $.utils.getStruct(0, SessionInfo, this);
  }
  _hasInfo(): boolean {
    return !$.utils.isNull($.utils.getPointer(0, this));
  }
  _initInfo(): SessionInfo {
    return $.utils.initStructAt(0, SessionInfo, this);
  }
  set info(value: SessionInfo) {
    $.utils.copyFrom(value, $.utils.getPointer(0, this));
  }
  override toString(): string { return "Session_Info$Results_" + super.toString(); }
}
export class Session_Info$Results$Promise {
  pipeline: $.Pipeline<any, any, Session_Info$Results>;
  constructor(pipeline: $.Pipeline<any, any, Session_Info$Results>) {
    this.pipeline = pipeline;
  }
  async promise(): Promise<Session_Info$Results> {
    return await this.pipeline.struct();
  }
}
export class Session_Tools$Params extends $.Struct {
  static override readonly _capnp = {
    displayName: "tools$Params",
    id: "feb2c45f2ad13c18",
    size: new $.ObjectSize(0, 1),
  };
  _adoptOptions(value: $.Orphan<ToolOptions>): void {
    $.utils.adopt(value, $.utils.getPointer(0, this));
  }
  _disownOptions(): $.Orphan<ToolOptions> {
    return $.utils.disown(this.options);
  }
  get options(): ToolOptions {
    return $.utils.getStruct(0, ToolOptions, this);
  }
  _hasOptions(): boolean {
    return !$.utils.isNull($.utils.getPointer(0, this));
  }
  _initOptions(): ToolOptions {
    return $.utils.initStructAt(0, ToolOptions, this);
  }
  set options(value: ToolOptions) {
    $.utils.copyFrom(value, $.utils.getPointer(0, this));
  }
  override toString(): string { return "Session_Tools$Params_" + super.toString(); }
}
export class Session_Tools$Results extends $.Struct {
  static override readonly _capnp = {
    displayName: "tools$Results",
    id: "d86553f0b56946b0",
    size: new $.ObjectSize(0, 1),
  };
  get tools(): Tools$Client | null {
    const client = capabilityField(0, this);
    return client ? new Tools$Client(client) : null;
  }
  set tools(value: Tools$Client | null) {
    if (value) $.utils.setInterfacePointer(this.segment.message.addCap(value.client), $.utils.getPointer(0, this));
    else $.utils.erase($.utils.getPointer(0, this));
  }
  override toString(): string { return "Session_Tools$Results_" + super.toString(); }
}
export class Session_Tools$Results$Promise {
  pipeline: $.Pipeline<any, any, Session_Tools$Results>;
  constructor(pipeline: $.Pipeline<any, any, Session_Tools$Results>) {
    this.pipeline = pipeline;
  }
  getTools(): Tools$Client {
    return new Tools$Client(this.pipeline.getPipeline(Tools, 0).client());
  }
  async promise(): Promise<Session_Tools$Results> {
    return await this.pipeline.struct();
  }
}
export class Session_Files$Params extends $.Struct {
  static override readonly _capnp = {
    displayName: "files$Params",
    id: "f5e372cbf2189fa0",
    size: new $.ObjectSize(0, 0),
  };
  override toString(): string { return "Session_Files$Params_" + super.toString(); }
}
export class Session_Files$Results extends $.Struct {
  static override readonly _capnp = {
    displayName: "files$Results",
    id: "c29c8c026751ee01",
    size: new $.ObjectSize(0, 1),
  };
  get files(): Files$Client | null {
    const client = capabilityField(0, this);
    return client ? new Files$Client(client) : null;
  }
  set files(value: Files$Client | null) {
    if (value) $.utils.setInterfacePointer(this.segment.message.addCap(value.client), $.utils.getPointer(0, this));
    else $.utils.erase($.utils.getPointer(0, this));
  }
  override toString(): string { return "Session_Files$Results_" + super.toString(); }
}
export class Session_Files$Results$Promise {
  pipeline: $.Pipeline<any, any, Session_Files$Results>;
  constructor(pipeline: $.Pipeline<any, any, Session_Files$Results>) {
    this.pipeline = pipeline;
  }
  getFiles(): Files$Client {
    return new Files$Client(this.pipeline.getPipeline(Files, 0).client());
  }
  async promise(): Promise<Session_Files$Results> {
    return await this.pipeline.struct();
  }
}
export class Session_Processes$Params extends $.Struct {
  static override readonly _capnp = {
    displayName: "processes$Params",
    id: "dede2d87a96bdc67",
    size: new $.ObjectSize(0, 0),
  };
  override toString(): string { return "Session_Processes$Params_" + super.toString(); }
}
export class Session_Processes$Results extends $.Struct {
  static override readonly _capnp = {
    displayName: "processes$Results",
    id: "829e57fa2755dcff",
    size: new $.ObjectSize(0, 1),
  };
  get processes(): Processes$Client | null {
    const client = capabilityField(0, this);
    return client ? new Processes$Client(client) : null;
  }
  set processes(value: Processes$Client | null) {
    if (value) $.utils.setInterfacePointer(this.segment.message.addCap(value.client), $.utils.getPointer(0, this));
    else $.utils.erase($.utils.getPointer(0, this));
  }
  override toString(): string { return "Session_Processes$Results_" + super.toString(); }
}
export class Session_Processes$Results$Promise {
  pipeline: $.Pipeline<any, any, Session_Processes$Results>;
  constructor(pipeline: $.Pipeline<any, any, Session_Processes$Results>) {
    this.pipeline = pipeline;
  }
  getProcesses(): Processes$Client {
    return new Processes$Client(this.pipeline.getPipeline(Processes, 0).client());
  }
  async promise(): Promise<Session_Processes$Results> {
    return await this.pipeline.struct();
  }
}
export class Session_Suspend$Params extends $.Struct {
  static override readonly _capnp = {
    displayName: "suspend$Params",
    id: "a18916f23992b15c",
    size: new $.ObjectSize(0, 0),
  };
  override toString(): string { return "Session_Suspend$Params_" + super.toString(); }
}
export class Session_Suspend$Results extends $.Struct {
  static override readonly _capnp = {
    displayName: "suspend$Results",
    id: "b4456af013139b51",
    size: new $.ObjectSize(0, 0),
  };
  override toString(): string { return "Session_Suspend$Results_" + super.toString(); }
}
export class Session_Suspend$Results$Promise {
  pipeline: $.Pipeline<any, any, Session_Suspend$Results>;
  constructor(pipeline: $.Pipeline<any, any, Session_Suspend$Results>) {
    this.pipeline = pipeline;
  }
  async promise(): Promise<Session_Suspend$Results> {
    return await this.pipeline.struct();
  }
}
export class Session_Destroy$Params extends $.Struct {
  static override readonly _capnp = {
    displayName: "destroy$Params",
    id: "c846c58d6e7c1bd9",
    size: new $.ObjectSize(0, 0),
  };
  override toString(): string { return "Session_Destroy$Params_" + super.toString(); }
}
export class Session_Destroy$Results extends $.Struct {
  static override readonly _capnp = {
    displayName: "destroy$Results",
    id: "a0025763ade6791c",
    size: new $.ObjectSize(0, 0),
  };
  override toString(): string { return "Session_Destroy$Results_" + super.toString(); }
}
export class Session_Destroy$Results$Promise {
  pipeline: $.Pipeline<any, any, Session_Destroy$Results>;
  constructor(pipeline: $.Pipeline<any, any, Session_Destroy$Results>) {
    this.pipeline = pipeline;
  }
  async promise(): Promise<Session_Destroy$Results> {
    return await this.pipeline.struct();
  }
}
export class Session$Client {
  client: $.Client;
  static readonly interfaceId: bigint = 0xb94bc48c9086f1c6n;
  constructor(client: $.Client) {
    this.client = client;
  }
  static readonly methods: [
    $.Method<Session_Prepare$Params, Session_Prepare$Results>,
    $.Method<Session_Info$Params, Session_Info$Results>,
    $.Method<Session_Tools$Params, Session_Tools$Results>,
    $.Method<Session_Files$Params, Session_Files$Results>,
    $.Method<Session_Processes$Params, Session_Processes$Results>,
    $.Method<Session_Suspend$Params, Session_Suspend$Results>,
    $.Method<Session_Destroy$Params, Session_Destroy$Results>
  ] = [
    {
      ParamsClass: Session_Prepare$Params,
      ResultsClass: Session_Prepare$Results,
      interfaceId: Session$Client.interfaceId,
      methodId: 0,
      interfaceName: "sandbox-rpc.capnp:Session",
      methodName: "prepare"
    },
    {
      ParamsClass: Session_Info$Params,
      ResultsClass: Session_Info$Results,
      interfaceId: Session$Client.interfaceId,
      methodId: 1,
      interfaceName: "sandbox-rpc.capnp:Session",
      methodName: "info"
    },
    {
      ParamsClass: Session_Tools$Params,
      ResultsClass: Session_Tools$Results,
      interfaceId: Session$Client.interfaceId,
      methodId: 2,
      interfaceName: "sandbox-rpc.capnp:Session",
      methodName: "tools"
    },
    {
      ParamsClass: Session_Files$Params,
      ResultsClass: Session_Files$Results,
      interfaceId: Session$Client.interfaceId,
      methodId: 3,
      interfaceName: "sandbox-rpc.capnp:Session",
      methodName: "files"
    },
    {
      ParamsClass: Session_Processes$Params,
      ResultsClass: Session_Processes$Results,
      interfaceId: Session$Client.interfaceId,
      methodId: 4,
      interfaceName: "sandbox-rpc.capnp:Session",
      methodName: "processes"
    },
    {
      ParamsClass: Session_Suspend$Params,
      ResultsClass: Session_Suspend$Results,
      interfaceId: Session$Client.interfaceId,
      methodId: 5,
      interfaceName: "sandbox-rpc.capnp:Session",
      methodName: "suspend"
    },
    {
      ParamsClass: Session_Destroy$Params,
      ResultsClass: Session_Destroy$Results,
      interfaceId: Session$Client.interfaceId,
      methodId: 6,
      interfaceName: "sandbox-rpc.capnp:Session",
      methodName: "destroy"
    }
  ];
  /**
* Makes sure that the sandbox runs. Idempotent; calls may race.
*
*/
  prepare(paramsFunc?: (params: Session_Prepare$Params) => void): Session_Prepare$Results$Promise {
    const answer = this.client.call({
      method: Session$Client.methods[0],
      ...(paramsFunc && { paramsFunc })
    });
    const pipeline = new $.Pipeline(Session_Prepare$Results, answer);
    return new Session_Prepare$Results$Promise(pipeline);
  }
  /**
* What is known now. Creates and resumes nothing.
*
*/
  info(paramsFunc?: (params: Session_Info$Params) => void): Session_Info$Results$Promise {
    const answer = this.client.call({
      method: Session$Client.methods[1],
      ...(paramsFunc && { paramsFunc })
    });
    const pipeline = new $.Pipeline(Session_Info$Results, answer);
    return new Session_Info$Results$Promise(pipeline);
  }
  tools(paramsFunc?: (params: Session_Tools$Params) => void): Session_Tools$Results$Promise {
    const answer = this.client.call({
      method: Session$Client.methods[2],
      ...(paramsFunc && { paramsFunc })
    });
    const pipeline = new $.Pipeline(Session_Tools$Results, answer);
    return new Session_Tools$Results$Promise(pipeline);
  }
  files(paramsFunc?: (params: Session_Files$Params) => void): Session_Files$Results$Promise {
    const answer = this.client.call({
      method: Session$Client.methods[3],
      ...(paramsFunc && { paramsFunc })
    });
    const pipeline = new $.Pipeline(Session_Files$Results, answer);
    return new Session_Files$Results$Promise(pipeline);
  }
  /**
* Parts of the session. No I/O: pipeline on them.
*
*/
  processes(paramsFunc?: (params: Session_Processes$Params) => void): Session_Processes$Results$Promise {
    const answer = this.client.call({
      method: Session$Client.methods[4],
      ...(paramsFunc && { paramsFunc })
    });
    const pipeline = new $.Pipeline(Session_Processes$Results, answer);
    return new Session_Processes$Results$Promise(pipeline);
  }
  /**
* Freezes the sandbox; its next use resumes it. Succeeds silently when there is none.
*
*/
  suspend(paramsFunc?: (params: Session_Suspend$Params) => void): Session_Suspend$Results$Promise {
    const answer = this.client.call({
      method: Session$Client.methods[5],
      ...(paramsFunc && { paramsFunc })
    });
    const pipeline = new $.Pipeline(Session_Suspend$Results, answer);
    return new Session_Suspend$Results$Promise(pipeline);
  }
  /**
* Deletes the sandbox and everything in it, after the calls under way have ended (for 30 s at most; then they are
* cut). Succeeds silently when there is none. Calls made meanwhile fail with `notFound`.
*
*/
  destroy(paramsFunc?: (params: Session_Destroy$Params) => void): Session_Destroy$Results$Promise {
    const answer = this.client.call({
      method: Session$Client.methods[6],
      ...(paramsFunc && { paramsFunc })
    });
    const pipeline = new $.Pipeline(Session_Destroy$Results, answer);
    return new Session_Destroy$Results$Promise(pipeline);
  }
}
$.Registry.register(Session$Client.interfaceId, Session$Client);
export interface Session$Server$Target {
  prepare(params: Session_Prepare$Params, results: Session_Prepare$Results): Promise<void>;
  info(params: Session_Info$Params, results: Session_Info$Results): Promise<void>;
  tools(params: Session_Tools$Params, results: Session_Tools$Results): Promise<void>;
  files(params: Session_Files$Params, results: Session_Files$Results): Promise<void>;
  processes(params: Session_Processes$Params, results: Session_Processes$Results): Promise<void>;
  suspend(params: Session_Suspend$Params, results: Session_Suspend$Results): Promise<void>;
  destroy(params: Session_Destroy$Params, results: Session_Destroy$Results): Promise<void>;
}
export class Session$Server extends $.Server {
  declare readonly target: Session$Server$Target;
  constructor(target: Session$Server$Target) {
    super(target, [
      {
        ...Session$Client.methods[0],
        impl: target.prepare
      },
      {
        ...Session$Client.methods[1],
        impl: target.info
      },
      {
        ...Session$Client.methods[2],
        impl: target.tools
      },
      {
        ...Session$Client.methods[3],
        impl: target.files
      },
      {
        ...Session$Client.methods[4],
        impl: target.processes
      },
      {
        ...Session$Client.methods[5],
        impl: target.suspend
      },
      {
        ...Session$Client.methods[6],
        impl: target.destroy
      }
    ]);
    this.target = target;
  }
  client(): Session$Client {
    return new Session$Client(this);
  }
}
/**
* One root session and its sandbox, which is made on first use, found again by name, and resumed when suspended.
*
*/
export class Session extends $.Interface {
  static readonly Client = Session$Client;
  static readonly Server = Session$Server;
  static override readonly _capnp = {
    displayName: "Session",
    id: "b94bc48c9086f1c6",
    size: new $.ObjectSize(0, 0),
  };
  override toString(): string { return "Session_" + super.toString(); }
}
export class ToolOptions extends $.Struct {
  static override readonly _capnp = {
    displayName: "ToolOptions",
    id: "f56fe3f56303d7dc",
    size: new $.ObjectSize(8, 0),
    defaultDiagnostics: $.getBitMask(true, 0)
  };
  /**
* Whether write, edit, multiedit and apply_patch tell the errors that a language server in the sandbox finds in what they
* have changed, as OpenCode does: at the end of `ToolResult.output` and as `diagnostics` in its metadata. Servers are clangd,
* pyright-langserver, typescript-language-server and gopls, by the file's extension, where the image has them in PATH; one
* runs for a session and is ended after five minutes without changes. An answer waits 1.5 s at most for them and never
* fails for them. Without, nothing is started and nothing waits.
*
*/
  get diagnostics(): boolean {
    return $.utils.getBit(0, this, ToolOptions._capnp.defaultDiagnostics);
  }
  set diagnostics(value: boolean) {
    $.utils.setBit(0, value, this, ToolOptions._capnp.defaultDiagnostics);
  }
  override toString(): string { return "ToolOptions_" + super.toString(); }
}
export class Tools_Call$Params extends $.Struct {
  static override readonly _capnp = {
    displayName: "call$Params",
    id: "81c3ca240aeddc0b",
    size: new $.ObjectSize(0, 3),
  };
  get name(): string {
    return $.utils.getText(0, this);
  }
  set name(value: string) {
    $.utils.setText(0, value, this);
  }
  get arguments(): string {
    return $.utils.getText(1, this);
  }
  set arguments(value: string) {
    $.utils.setText(1, value, this);
  }
  get ui(): ToolUi$Client | null {
    const client = capabilityField(2, this);
    return client ? new ToolUi$Client(client) : null;
  }
  set ui(value: ToolUi$Client | null) {
    if (value) $.utils.setInterfacePointer(this.segment.message.addCap(value.client), $.utils.getPointer(2, this));
    else $.utils.erase($.utils.getPointer(2, this));
  }
  override toString(): string { return "Tools_Call$Params_" + super.toString(); }
}
export class Tools_Call$Results extends $.Struct {
  static override readonly _capnp = {
    displayName: "call$Results",
    id: "e21fd231d0f86efc",
    size: new $.ObjectSize(0, 1),
  };
  _adoptResult(value: $.Orphan<ToolResult>): void {
    $.utils.adopt(value, $.utils.getPointer(0, this));
  }
  _disownResult(): $.Orphan<ToolResult> {
    return $.utils.disown(this.result);
  }
  get result(): ToolResult {
    return $.utils.getStruct(0, ToolResult, this);
  }
  _hasResult(): boolean {
    return !$.utils.isNull($.utils.getPointer(0, this));
  }
  _initResult(): ToolResult {
    return $.utils.initStructAt(0, ToolResult, this);
  }
  set result(value: ToolResult) {
    $.utils.copyFrom(value, $.utils.getPointer(0, this));
  }
  override toString(): string { return "Tools_Call$Results_" + super.toString(); }
}
export class Tools_Call$Results$Promise {
  pipeline: $.Pipeline<any, any, Tools_Call$Results>;
  constructor(pipeline: $.Pipeline<any, any, Tools_Call$Results>) {
    this.pipeline = pipeline;
  }
  async promise(): Promise<Tools_Call$Results> {
    return await this.pipeline.struct();
  }
}
export class Tools$Client {
  client: $.Client;
  static readonly interfaceId: bigint = 0x94b0569308711012n;
  constructor(client: $.Client) {
    this.client = client;
  }
  static readonly methods: [
    $.Method<Tools_Call$Params, Tools_Call$Results>
  ] = [
    {
      ParamsClass: Tools_Call$Params,
      ResultsClass: Tools_Call$Results,
      interfaceId: Tools$Client.interfaceId,
      methodId: 0,
      interfaceName: "sandbox-rpc.capnp:Tools",
      methodName: "call"
    }
  ];
  /**
* Runs one tool. `arguments` is a JSON object as a model wrote it: it is checked here, and what is wrong with it is
* told in `ToolResult.output` in the words that OpenCode 1.18.33 uses. `ui` may be null: then nothing is asked
* and nothing is streamed. Cancelling kills what the tool has started. Infrastructure failures are exceptions; a tool
* that fails is a result with `failed` set.
*
*/
  call(paramsFunc?: (params: Tools_Call$Params) => void): Tools_Call$Results$Promise {
    const answer = this.client.call({
      method: Tools$Client.methods[0],
      ...(paramsFunc && { paramsFunc })
    });
    const pipeline = new $.Pipeline(Tools_Call$Results, answer);
    return new Tools_Call$Results$Promise(pipeline);
  }
}
$.Registry.register(Tools$Client.interfaceId, Tools$Client);
export interface Tools$Server$Target {
  call(params: Tools_Call$Params, results: Tools_Call$Results): Promise<void>;
}
export class Tools$Server extends $.Server {
  declare readonly target: Tools$Server$Target;
  constructor(target: Tools$Server$Target) {
    super(target, [
      {
        ...Tools$Client.methods[0],
        impl: target.call
      }
    ]);
    this.target = target;
  }
  client(): Tools$Client {
    return new Tools$Client(this);
  }
}
/**
* OpenCode's tools, acting in the sandbox, and two that it lacks: `process` runs commands in the background (its background
* processes outlive calls, connections and the bridge), `preview_url` gives a link to a port. `webfetch` answers with the page
* as it came, HTML too, of which OpenCode makes Markdown or text. `websearch` has one more argument, `provider`: "exa" (if it is
* not given) or "parallel", which is asked from the sandbox without a key. Also `multiedit` and `list`, which OpenCode had before 1.18
* (`multiedit` does all of its edits or none).
*
*/
export class Tools extends $.Interface {
  static readonly Client = Tools$Client;
  static readonly Server = Tools$Server;
  static override readonly _capnp = {
    displayName: "Tools",
    id: "94b0569308711012",
    size: new $.ObjectSize(0, 0),
  };
  override toString(): string { return "Tools_" + super.toString(); }
}
export class ToolResult_Attachment extends $.Struct {
  static override readonly _capnp = {
    displayName: "Attachment",
    id: "b459e1d4aaa01915",
    size: new $.ObjectSize(0, 3),
  };
  get mime(): string {
    return $.utils.getText(0, this);
  }
  set mime(value: string) {
    $.utils.setText(0, value, this);
  }
  _adoptData(value: $.Orphan<$.Data>): void {
    $.utils.adopt(value, $.utils.getPointer(1, this));
  }
  _disownData(): $.Orphan<$.Data> {
    return $.utils.disown(this.data);
  }
  get data(): $.Data {
    return $.utils.getData(1, this);
  }
  _hasData(): boolean {
    return !$.utils.isNull($.utils.getPointer(1, this));
  }
  _initData(length: number): $.Data {
    return $.utils.initData(1, length, this);
  }
  set data(value: $.Data) {
    $.utils.copyFrom(value, $.utils.getPointer(1, this));
  }
  /**
* may be empty
*
*/
  get filename(): string {
    return $.utils.getText(2, this);
  }
  set filename(value: string) {
    $.utils.setText(2, value, this);
  }
  override toString(): string { return "ToolResult_Attachment_" + super.toString(); }
}
export class ToolResult extends $.Struct {
  static readonly Attachment = ToolResult_Attachment;
  static override readonly _capnp = {
    displayName: "ToolResult",
    id: "8e65f6c3af3ace1e",
    size: new $.ObjectSize(8, 4),
  };
  static _Attachments: $.ListCtor<ToolResult_Attachment>;
  /**
* `output` is the error text; title and attachments are empty
*
*/
  get failed(): boolean {
    return $.utils.getBit(0, this);
  }
  set failed(value: boolean) {
    $.utils.setBit(0, value, this);
  }
  get title(): string {
    return $.utils.getText(0, this);
  }
  set title(value: string) {
    $.utils.setText(0, value, this);
  }
  /**
* what the model gets; always valid UTF-8
*
*/
  get output(): string {
    return $.utils.getText(1, this);
  }
  set output(value: string) {
    $.utils.setText(1, value, this);
  }
  /**
* What a user interface gets: a JSON object in the shape that OpenCode gives this tool (diff, counts, exit code). It is
* JSON because the shape is OpenCode's and changes with it, while the bridge and its clients only pass it on.
*
*/
  get metadata(): string {
    return $.utils.getText(2, this);
  }
  set metadata(value: string) {
    $.utils.setText(2, value, this);
  }
  _adoptAttachments(value: $.Orphan<$.List<ToolResult_Attachment>>): void {
    $.utils.adopt(value, $.utils.getPointer(3, this));
  }
  _disownAttachments(): $.Orphan<$.List<ToolResult_Attachment>> {
    return $.utils.disown(this.attachments);
  }
  get attachments(): $.List<ToolResult_Attachment> {
    return $.utils.getList(3, ToolResult._Attachments, this);
  }
  _hasAttachments(): boolean {
    return !$.utils.isNull($.utils.getPointer(3, this));
  }
  _initAttachments(length: number): $.List<ToolResult_Attachment> {
    return $.utils.initList(3, ToolResult._Attachments, length, this);
  }
  set attachments(value: $.List<ToolResult_Attachment>) {
    $.utils.copyFrom(value, $.utils.getPointer(3, this));
  }
  override toString(): string { return "ToolResult_" + super.toString(); }
}
export class ToolUi_Question extends $.Struct {
  static override readonly _capnp = {
    displayName: "Question",
    id: "9bec0f1b758d10fb",
    size: new $.ObjectSize(0, 4),
  };
  /**
* "read", "edit", "glob", "grep", "bash", "external_directory", "preview_url", "webfetch",
* "websearch"
*
*/
  get permission(): string {
    return $.utils.getText(0, this);
  }
  set permission(value: string) {
    $.utils.setText(0, value, this);
  }
  _adoptPatterns(value: $.Orphan<$.List<string>>): void {
    $.utils.adopt(value, $.utils.getPointer(1, this));
  }
  _disownPatterns(): $.Orphan<$.List<string>> {
    return $.utils.disown(this.patterns);
  }
  get patterns(): $.List<string> {
    return $.utils.getList(1, $.TextList, this);
  }
  _hasPatterns(): boolean {
    return !$.utils.isNull($.utils.getPointer(1, this));
  }
  _initPatterns(length: number): $.List<string> {
    return $.utils.initList(1, $.TextList, length, this);
  }
  set patterns(value: $.List<string>) {
    $.utils.copyFrom(value, $.utils.getPointer(1, this));
  }
  _adoptAlways(value: $.Orphan<$.List<string>>): void {
    $.utils.adopt(value, $.utils.getPointer(2, this));
  }
  _disownAlways(): $.Orphan<$.List<string>> {
    return $.utils.disown(this.always);
  }
  /**
* what "always allow" would allow
*
*/
  get always(): $.List<string> {
    return $.utils.getList(2, $.TextList, this);
  }
  _hasAlways(): boolean {
    return !$.utils.isNull($.utils.getPointer(2, this));
  }
  _initAlways(length: number): $.List<string> {
    return $.utils.initList(2, $.TextList, length, this);
  }
  set always(value: $.List<string>) {
    $.utils.copyFrom(value, $.utils.getPointer(2, this));
  }
  /**
* a JSON object, OpenCode's shape
*
*/
  get metadata(): string {
    return $.utils.getText(3, this);
  }
  set metadata(value: string) {
    $.utils.setText(3, value, this);
  }
  override toString(): string { return "ToolUi_Question_" + super.toString(); }
}
export class ToolUi_Ask$Params extends $.Struct {
  static override readonly _capnp = {
    displayName: "ask$Params",
    id: "d12413aaddb24f14",
    size: new $.ObjectSize(0, 1),
  };
  _adoptQuestion(value: $.Orphan<ToolUi_Question>): void {
    $.utils.adopt(value, $.utils.getPointer(0, this));
  }
  _disownQuestion(): $.Orphan<ToolUi_Question> {
    return $.utils.disown(this.question);
  }
  get question(): ToolUi_Question {
    return $.utils.getStruct(0, ToolUi_Question, this);
  }
  _hasQuestion(): boolean {
    return !$.utils.isNull($.utils.getPointer(0, this));
  }
  _initQuestion(): ToolUi_Question {
    return $.utils.initStructAt(0, ToolUi_Question, this);
  }
  set question(value: ToolUi_Question) {
    $.utils.copyFrom(value, $.utils.getPointer(0, this));
  }
  override toString(): string { return "ToolUi_Ask$Params_" + super.toString(); }
}
export class ToolUi_Ask$Results extends $.Struct {
  static override readonly _capnp = {
    displayName: "ask$Results",
    id: "b9e1c28d95188e1c",
    size: new $.ObjectSize(0, 0),
  };
  override toString(): string { return "ToolUi_Ask$Results_" + super.toString(); }
}
export class ToolUi_Ask$Results$Promise {
  pipeline: $.Pipeline<any, any, ToolUi_Ask$Results>;
  constructor(pipeline: $.Pipeline<any, any, ToolUi_Ask$Results>) {
    this.pipeline = pipeline;
  }
  async promise(): Promise<ToolUi_Ask$Results> {
    return await this.pipeline.struct();
  }
}
export class ToolUi_Output$Params extends $.Struct {
  static override readonly _capnp = {
    displayName: "output$Params",
    id: "9e88934630f22894",
    size: new $.ObjectSize(0, 1),
  };
  _adoptText(value: $.Orphan<$.Data>): void {
    $.utils.adopt(value, $.utils.getPointer(0, this));
  }
  _disownText(): $.Orphan<$.Data> {
    return $.utils.disown(this.text);
  }
  get text(): $.Data {
    return $.utils.getData(0, this);
  }
  _hasText(): boolean {
    return !$.utils.isNull($.utils.getPointer(0, this));
  }
  _initText(length: number): $.Data {
    return $.utils.initData(0, length, this);
  }
  set text(value: $.Data) {
    $.utils.copyFrom(value, $.utils.getPointer(0, this));
  }
  override toString(): string { return "ToolUi_Output$Params_" + super.toString(); }
}
export class StreamResult extends $.Struct {
  static override readonly _capnp = {
    displayName: "StreamResult",
    id: "995f9a3377c0b16e",
    size: new $.ObjectSize(0, 0),
  };
  override toString(): string { return "StreamResult_" + super.toString(); }
}
export class StreamResult$Promise {
  pipeline: $.Pipeline<any, any, StreamResult>;
  constructor(pipeline: $.Pipeline<any, any, StreamResult>) {
    this.pipeline = pipeline;
  }
  async promise(): Promise<StreamResult> {
    return await this.pipeline.struct();
  }
}
export class ToolUi_AwaitStop$Params extends $.Struct {
  static override readonly _capnp = {
    displayName: "awaitStop$Params",
    id: "8aad6c5784c19f17",
    size: new $.ObjectSize(0, 0),
  };
  override toString(): string { return "ToolUi_AwaitStop$Params_" + super.toString(); }
}
export class ToolUi_AwaitStop$Results extends $.Struct {
  static override readonly _capnp = {
    displayName: "awaitStop$Results",
    id: "8280736dc61a8f9a",
    size: new $.ObjectSize(0, 0),
  };
  override toString(): string { return "ToolUi_AwaitStop$Results_" + super.toString(); }
}
export class ToolUi_AwaitStop$Results$Promise {
  pipeline: $.Pipeline<any, any, ToolUi_AwaitStop$Results>;
  constructor(pipeline: $.Pipeline<any, any, ToolUi_AwaitStop$Results>) {
    this.pipeline = pipeline;
  }
  async promise(): Promise<ToolUi_AwaitStop$Results> {
    return await this.pipeline.struct();
  }
}
export class ToolUi$Client {
  client: $.Client;
  static readonly interfaceId: bigint = 0xedd86b088d5f375cn;
  constructor(client: $.Client) {
    this.client = client;
  }
  static readonly methods: [
    $.Method<ToolUi_Ask$Params, ToolUi_Ask$Results>,
    $.Method<ToolUi_Output$Params, StreamResult>,
    $.Method<ToolUi_AwaitStop$Params, ToolUi_AwaitStop$Results>
  ] = [
    {
      ParamsClass: ToolUi_Ask$Params,
      ResultsClass: ToolUi_Ask$Results,
      interfaceId: ToolUi$Client.interfaceId,
      methodId: 0,
      interfaceName: "sandbox-rpc.capnp:ToolUi",
      methodName: "ask"
    },
    {
      ParamsClass: ToolUi_Output$Params,
      ResultsClass: StreamResult,
      interfaceId: ToolUi$Client.interfaceId,
      methodId: 1,
      interfaceName: "sandbox-rpc.capnp:ToolUi",
      methodName: "output"
    },
    {
      ParamsClass: ToolUi_AwaitStop$Params,
      ResultsClass: ToolUi_AwaitStop$Results,
      interfaceId: ToolUi$Client.interfaceId,
      methodId: 2,
      interfaceName: "sandbox-rpc.capnp:ToolUi",
      methodName: "awaitStop"
    }
  ];
  /**
* OpenCode's permission question. Returning allows; throwing refuses, and the call fails with the exception's
* text. The tool waits for as long as the person takes.
*
*/
  ask(paramsFunc?: (params: ToolUi_Ask$Params) => void): ToolUi_Ask$Results$Promise {
    const answer = this.client.call({
      method: ToolUi$Client.methods[0],
      ...(paramsFunc && { paramsFunc })
    });
    const pipeline = new $.Pipeline(ToolUi_Ask$Results, answer);
    return new ToolUi_Ask$Results$Promise(pipeline);
  }
  /**
* What the running command has printed since the last call: any bytes, at most 64 KiB.
*
*/
  output(paramsFunc?: (params: ToolUi_Output$Params) => void): StreamResult$Promise {
    const answer = this.client.call({
      method: ToolUi$Client.methods[1],
      ...(paramsFunc && { paramsFunc })
    });
    const pipeline = new $.Pipeline(StreamResult, answer);
    return new StreamResult$Promise(pipeline);
  }
  /**
* Returns when the person wants the running command to end, and waits until then. `bash` calls it once its command has
* run for a moment, and gives the call up when the command has ended. After it has returned, the command's process group
* gets SIGTERM and 3 s later SIGKILL, and the result has all that it printed until its end, as OpenCode 1.18.33 does it.
* A client that throws here can still cancel `Tools.call`, and then gets no result.
*
*/
  awaitStop(paramsFunc?: (params: ToolUi_AwaitStop$Params) => void): ToolUi_AwaitStop$Results$Promise {
    const answer = this.client.call({
      method: ToolUi$Client.methods[2],
      ...(paramsFunc && { paramsFunc })
    });
    const pipeline = new $.Pipeline(ToolUi_AwaitStop$Results, answer);
    return new ToolUi_AwaitStop$Results$Promise(pipeline);
  }
}
$.Registry.register(ToolUi$Client.interfaceId, ToolUi$Client);
export interface ToolUi$Server$Target {
  ask(params: ToolUi_Ask$Params, results: ToolUi_Ask$Results): Promise<void>;
  output(params: ToolUi_Output$Params, results: StreamResult): Promise<void>;
  awaitStop(params: ToolUi_AwaitStop$Params, results: ToolUi_AwaitStop$Results): Promise<void>;
}
export class ToolUi$Server extends $.Server {
  declare readonly target: ToolUi$Server$Target;
  constructor(target: ToolUi$Server$Target) {
    super(target, [
      {
        ...ToolUi$Client.methods[0],
        impl: target.ask
      },
      {
        ...ToolUi$Client.methods[1],
        impl: target.output
      },
      {
        ...ToolUi$Client.methods[2],
        impl: target.awaitStop
      }
    ]);
    this.target = target;
  }
  client(): ToolUi$Client {
    return new ToolUi$Client(this);
  }
}
/**
* The person behind a tool call, implemented by the client.
*
*/
export class ToolUi extends $.Interface {
  static readonly Question = ToolUi_Question;
  static readonly Client = ToolUi$Client;
  static readonly Server = ToolUi$Server;
  static override readonly _capnp = {
    displayName: "ToolUi",
    id: "edd86b088d5f375c",
    size: new $.ObjectSize(0, 0),
  };
  override toString(): string { return "ToolUi_" + super.toString(); }
}
export class Files_Entry extends $.Struct {
  static override readonly _capnp = {
    displayName: "Entry",
    id: "ab3aabf3474aa15f",
    size: new $.ObjectSize(24, 1),
  };
  get name(): string {
    return $.utils.getText(0, this);
  }
  set name(value: string) {
    $.utils.setText(0, value, this);
  }
  get isDirectory(): boolean {
    return $.utils.getBit(0, this);
  }
  set isDirectory(value: boolean) {
    $.utils.setBit(0, value, this);
  }
  get size(): bigint {
    return $.utils.getUint64(8, this);
  }
  set size(value: bigint) {
    $.utils.setUint64(8, value, this);
  }
  get modifiedAt(): bigint {
    return $.utils.getInt64(16, this);
  }
  set modifiedAt(value: bigint) {
    $.utils.setInt64(16, value, this);
  }
  override toString(): string { return "Files_Entry_" + super.toString(); }
}
export class Files_Read$Params extends $.Struct {
  static override readonly _capnp = {
    displayName: "read$Params",
    id: "a813924dcabd5687",
    size: new $.ObjectSize(0, 2),
  };
  get path(): string {
    return $.utils.getText(0, this);
  }
  set path(value: string) {
    $.utils.setText(0, value, this);
  }
  get sink(): ByteSink$Client | null {
    const client = capabilityField(1, this);
    return client ? new ByteSink$Client(client) : null;
  }
  set sink(value: ByteSink$Client | null) {
    if (value) $.utils.setInterfacePointer(this.segment.message.addCap(value.client), $.utils.getPointer(1, this));
    else $.utils.erase($.utils.getPointer(1, this));
  }
  override toString(): string { return "Files_Read$Params_" + super.toString(); }
}
export class Files_Read$Results extends $.Struct {
  static override readonly _capnp = {
    displayName: "read$Results",
    id: "ecc2e3eacb8d9c9b",
    size: new $.ObjectSize(8, 0),
  };
  get size(): bigint {
    return $.utils.getUint64(0, this);
  }
  set size(value: bigint) {
    $.utils.setUint64(0, value, this);
  }
  override toString(): string { return "Files_Read$Results_" + super.toString(); }
}
export class Files_Read$Results$Promise {
  pipeline: $.Pipeline<any, any, Files_Read$Results>;
  constructor(pipeline: $.Pipeline<any, any, Files_Read$Results>) {
    this.pipeline = pipeline;
  }
  async promise(): Promise<Files_Read$Results> {
    return await this.pipeline.struct();
  }
}
export class Files_Write$Params extends $.Struct {
  static override readonly _capnp = {
    displayName: "write$Params",
    id: "b9a2022187a24b2e",
    size: new $.ObjectSize(8, 1),
    defaultSize: $.getInt64Mask(-0x1n)
  };
  get path(): string {
    return $.utils.getText(0, this);
  }
  set path(value: string) {
    $.utils.setText(0, value, this);
  }
  get size(): bigint {
    return $.utils.getInt64(0, this, Files_Write$Params._capnp.defaultSize);
  }
  set size(value: bigint) {
    $.utils.setInt64(0, value, this, Files_Write$Params._capnp.defaultSize);
  }
  override toString(): string { return "Files_Write$Params_" + super.toString(); }
}
export class Files_Write$Results extends $.Struct {
  static override readonly _capnp = {
    displayName: "write$Results",
    id: "9d61f2147c28c591",
    size: new $.ObjectSize(0, 1),
  };
  get sink(): ByteSink$Client | null {
    const client = capabilityField(0, this);
    return client ? new ByteSink$Client(client) : null;
  }
  set sink(value: ByteSink$Client | null) {
    if (value) $.utils.setInterfacePointer(this.segment.message.addCap(value.client), $.utils.getPointer(0, this));
    else $.utils.erase($.utils.getPointer(0, this));
  }
  override toString(): string { return "Files_Write$Results_" + super.toString(); }
}
export class Files_Write$Results$Promise {
  pipeline: $.Pipeline<any, any, Files_Write$Results>;
  constructor(pipeline: $.Pipeline<any, any, Files_Write$Results>) {
    this.pipeline = pipeline;
  }
  getSink(): ByteSink$Client {
    return new ByteSink$Client(this.pipeline.getPipeline(ByteSink, 0).client());
  }
  async promise(): Promise<Files_Write$Results> {
    return await this.pipeline.struct();
  }
}
export class Files_List$Params extends $.Struct {
  static override readonly _capnp = {
    displayName: "list$Params",
    id: "c43c7a0996fcd6b4",
    size: new $.ObjectSize(0, 1),
  };
  get path(): string {
    return $.utils.getText(0, this);
  }
  set path(value: string) {
    $.utils.setText(0, value, this);
  }
  override toString(): string { return "Files_List$Params_" + super.toString(); }
}
export class Files_List$Results extends $.Struct {
  static override readonly _capnp = {
    displayName: "list$Results",
    id: "e8bad78e7eacba4e",
    size: new $.ObjectSize(0, 1),
  };
  static _Entries: $.ListCtor<Files_Entry>;
  _adoptEntries(value: $.Orphan<$.List<Files_Entry>>): void {
    $.utils.adopt(value, $.utils.getPointer(0, this));
  }
  _disownEntries(): $.Orphan<$.List<Files_Entry>> {
    return $.utils.disown(this.entries);
  }
  get entries(): $.List<Files_Entry> {
    return $.utils.getList(0, Files_List$Results._Entries, this);
  }
  _hasEntries(): boolean {
    return !$.utils.isNull($.utils.getPointer(0, this));
  }
  _initEntries(length: number): $.List<Files_Entry> {
    return $.utils.initList(0, Files_List$Results._Entries, length, this);
  }
  set entries(value: $.List<Files_Entry>) {
    $.utils.copyFrom(value, $.utils.getPointer(0, this));
  }
  override toString(): string { return "Files_List$Results_" + super.toString(); }
}
export class Files_List$Results$Promise {
  pipeline: $.Pipeline<any, any, Files_List$Results>;
  constructor(pipeline: $.Pipeline<any, any, Files_List$Results>) {
    this.pipeline = pipeline;
  }
  async promise(): Promise<Files_List$Results> {
    return await this.pipeline.struct();
  }
}
export class Files_Remove$Params extends $.Struct {
  static override readonly _capnp = {
    displayName: "remove$Params",
    id: "eb6a27f705fd3e92",
    size: new $.ObjectSize(0, 1),
  };
  get path(): string {
    return $.utils.getText(0, this);
  }
  set path(value: string) {
    $.utils.setText(0, value, this);
  }
  override toString(): string { return "Files_Remove$Params_" + super.toString(); }
}
export class Files_Remove$Results extends $.Struct {
  static override readonly _capnp = {
    displayName: "remove$Results",
    id: "973d2a976d3d8f10",
    size: new $.ObjectSize(0, 0),
  };
  override toString(): string { return "Files_Remove$Results_" + super.toString(); }
}
export class Files_Remove$Results$Promise {
  pipeline: $.Pipeline<any, any, Files_Remove$Results>;
  constructor(pipeline: $.Pipeline<any, any, Files_Remove$Results>) {
    this.pipeline = pipeline;
  }
  async promise(): Promise<Files_Remove$Results> {
    return await this.pipeline.struct();
  }
}
export class Files$Client {
  client: $.Client;
  static readonly interfaceId: bigint = 0xf56b486ad6c03eb9n;
  constructor(client: $.Client) {
    this.client = client;
  }
  static readonly methods: [
    $.Method<Files_Read$Params, Files_Read$Results>,
    $.Method<Files_Write$Params, Files_Write$Results>,
    $.Method<Files_List$Params, Files_List$Results>,
    $.Method<Files_Remove$Params, Files_Remove$Results>
  ] = [
    {
      ParamsClass: Files_Read$Params,
      ResultsClass: Files_Read$Results,
      interfaceId: Files$Client.interfaceId,
      methodId: 0,
      interfaceName: "sandbox-rpc.capnp:Files",
      methodName: "read"
    },
    {
      ParamsClass: Files_Write$Params,
      ResultsClass: Files_Write$Results,
      interfaceId: Files$Client.interfaceId,
      methodId: 1,
      interfaceName: "sandbox-rpc.capnp:Files",
      methodName: "write"
    },
    {
      ParamsClass: Files_List$Params,
      ResultsClass: Files_List$Results,
      interfaceId: Files$Client.interfaceId,
      methodId: 2,
      interfaceName: "sandbox-rpc.capnp:Files",
      methodName: "list"
    },
    {
      ParamsClass: Files_Remove$Params,
      ResultsClass: Files_Remove$Results,
      interfaceId: Files$Client.interfaceId,
      methodId: 3,
      interfaceName: "sandbox-rpc.capnp:Files",
      methodName: "remove"
    }
  ];
  /**
* Sends the file's bytes and then `done`. Safe to retry.
*
*/
  read(paramsFunc?: (params: Files_Read$Params) => void): Files_Read$Results$Promise {
    const answer = this.client.call({
      method: Files$Client.methods[0],
      ...(paramsFunc && { paramsFunc })
    });
    const pipeline = new $.Pipeline(Files_Read$Results, answer);
    return new Files_Read$Results$Promise(pipeline);
  }
  /**
* A sink for the new content. Parents are made. The file is replaced when `done` returns; when the sink is dropped before
* that, the old file stays as it was. `size`: the bytes that will come, when that is known (else negative); they then go
* to the sandbox as they come, and any other number of them is `invalidArgument`. Without, the bridge keeps them on its disk
* until `done`, 1 GiB at most. The sandbox gives up on bytes of a known size that do not come for a minute.
*
*/
  write(paramsFunc?: (params: Files_Write$Params) => void): Files_Write$Results$Promise {
    const answer = this.client.call({
      method: Files$Client.methods[1],
      ...(paramsFunc && { paramsFunc })
    });
    const pipeline = new $.Pipeline(Files_Write$Results, answer);
    return new Files_Write$Results$Promise(pipeline);
  }
  /**
* The entries of a directory, directories first, then by name. Not recursive.
*
*/
  list(paramsFunc?: (params: Files_List$Params) => void): Files_List$Results$Promise {
    const answer = this.client.call({
      method: Files$Client.methods[2],
      ...(paramsFunc && { paramsFunc })
    });
    const pipeline = new $.Pipeline(Files_List$Results, answer);
    return new Files_List$Results$Promise(pipeline);
  }
  /**
* Deletes one file; not a directory.
*
*/
  remove(paramsFunc?: (params: Files_Remove$Params) => void): Files_Remove$Results$Promise {
    const answer = this.client.call({
      method: Files$Client.methods[3],
      ...(paramsFunc && { paramsFunc })
    });
    const pipeline = new $.Pipeline(Files_Remove$Results, answer);
    return new Files_Remove$Results$Promise(pipeline);
  }
}
$.Registry.register(Files$Client.interfaceId, Files$Client);
export interface Files$Server$Target {
  read(params: Files_Read$Params, results: Files_Read$Results): Promise<void>;
  write(params: Files_Write$Params, results: Files_Write$Results): Promise<void>;
  list(params: Files_List$Params, results: Files_List$Results): Promise<void>;
  remove(params: Files_Remove$Params, results: Files_Remove$Results): Promise<void>;
}
export class Files$Server extends $.Server {
  declare readonly target: Files$Server$Target;
  constructor(target: Files$Server$Target) {
    super(target, [
      {
        ...Files$Client.methods[0],
        impl: target.read
      },
      {
        ...Files$Client.methods[1],
        impl: target.write
      },
      {
        ...Files$Client.methods[2],
        impl: target.list
      },
      {
        ...Files$Client.methods[3],
        impl: target.remove
      }
    ]);
    this.target = target;
  }
  client(): Files$Client {
    return new Files$Client(this);
  }
}
/**
* Files of the sandbox. All errors of the sandbox's file system come as `notFound`, `invalidArgument` or `failed`.
*
*/
export class Files extends $.Interface {
  static readonly Entry = Files_Entry;
  static readonly Client = Files$Client;
  static readonly Server = Files$Server;
  static override readonly _capnp = {
    displayName: "Files",
    id: "f56b486ad6c03eb9",
    size: new $.ObjectSize(0, 0),
  };
  override toString(): string { return "Files_" + super.toString(); }
}
export class Processes_Start$Params extends $.Struct {
  static override readonly _capnp = {
    displayName: "start$Params",
    id: "e84908409898afb6",
    size: new $.ObjectSize(0, 3),
  };
  _adoptCommand(value: $.Orphan<Command>): void {
    $.utils.adopt(value, $.utils.getPointer(0, this));
  }
  _disownCommand(): $.Orphan<Command> {
    return $.utils.disown(this.command);
  }
  get command(): Command {
    return $.utils.getStruct(0, Command, this);
  }
  _hasCommand(): boolean {
    return !$.utils.isNull($.utils.getPointer(0, this));
  }
  _initCommand(): Command {
    return $.utils.initStructAt(0, Command, this);
  }
  set command(value: Command) {
    $.utils.copyFrom(value, $.utils.getPointer(0, this));
  }
  get stdout(): ByteSink$Client | null {
    const client = capabilityField(1, this);
    return client ? new ByteSink$Client(client) : null;
  }
  set stdout(value: ByteSink$Client | null) {
    if (value) $.utils.setInterfacePointer(this.segment.message.addCap(value.client), $.utils.getPointer(1, this));
    else $.utils.erase($.utils.getPointer(1, this));
  }
  get stderr(): ByteSink$Client | null {
    const client = capabilityField(2, this);
    return client ? new ByteSink$Client(client) : null;
  }
  set stderr(value: ByteSink$Client | null) {
    if (value) $.utils.setInterfacePointer(this.segment.message.addCap(value.client), $.utils.getPointer(2, this));
    else $.utils.erase($.utils.getPointer(2, this));
  }
  override toString(): string { return "Processes_Start$Params_" + super.toString(); }
}
export class Processes_Start$Results extends $.Struct {
  static override readonly _capnp = {
    displayName: "start$Results",
    id: "9b21c260d417c498",
    size: new $.ObjectSize(0, 1),
  };
  get process(): Process$Client | null {
    const client = capabilityField(0, this);
    return client ? new Process$Client(client) : null;
  }
  set process(value: Process$Client | null) {
    if (value) $.utils.setInterfacePointer(this.segment.message.addCap(value.client), $.utils.getPointer(0, this));
    else $.utils.erase($.utils.getPointer(0, this));
  }
  override toString(): string { return "Processes_Start$Results_" + super.toString(); }
}
export class Processes_Start$Results$Promise {
  pipeline: $.Pipeline<any, any, Processes_Start$Results>;
  constructor(pipeline: $.Pipeline<any, any, Processes_Start$Results>) {
    this.pipeline = pipeline;
  }
  getProcess(): Process$Client {
    return new Process$Client(this.pipeline.getPipeline(Process, 0).client());
  }
  async promise(): Promise<Processes_Start$Results> {
    return await this.pipeline.struct();
  }
}
export class Processes$Client {
  client: $.Client;
  static readonly interfaceId: bigint = 0xa380d2e89e217095n;
  constructor(client: $.Client) {
    this.client = client;
  }
  static readonly methods: [
    $.Method<Processes_Start$Params, Processes_Start$Results>
  ] = [
    {
      ParamsClass: Processes_Start$Params,
      ResultsClass: Processes_Start$Results,
      interfaceId: Processes$Client.interfaceId,
      methodId: 0,
      interfaceName: "sandbox-rpc.capnp:Processes",
      methodName: "start"
    }
  ];
  /**
* Starts a command in its own process group. Never repeated by the bridge: when the answer is lost the error is
* `interrupted`. Both sinks get `done` at the end of the stream; a null sink discards its stream; a null `stderr`
* with `mergeStderr` set sends both to `stdout` in the order in which they were written.
*
*/
  start(paramsFunc?: (params: Processes_Start$Params) => void): Processes_Start$Results$Promise {
    const answer = this.client.call({
      method: Processes$Client.methods[0],
      ...(paramsFunc && { paramsFunc })
    });
    const pipeline = new $.Pipeline(Processes_Start$Results, answer);
    return new Processes_Start$Results$Promise(pipeline);
  }
}
$.Registry.register(Processes$Client.interfaceId, Processes$Client);
export interface Processes$Server$Target {
  start(params: Processes_Start$Params, results: Processes_Start$Results): Promise<void>;
}
export class Processes$Server extends $.Server {
  declare readonly target: Processes$Server$Target;
  constructor(target: Processes$Server$Target) {
    super(target, [
      {
        ...Processes$Client.methods[0],
        impl: target.start
      }
    ]);
    this.target = target;
  }
  client(): Processes$Client {
    return new Processes$Client(this);
  }
}
export class Processes extends $.Interface {
  static readonly Client = Processes$Client;
  static readonly Server = Processes$Server;
  static override readonly _capnp = {
    displayName: "Processes",
    id: "a380d2e89e217095",
    size: new $.ObjectSize(0, 0),
  };
  override toString(): string { return "Processes_" + super.toString(); }
}
export class Command_Variable extends $.Struct {
  static override readonly _capnp = {
    displayName: "Variable",
    id: "f55f9e98953e0eb4",
    size: new $.ObjectSize(0, 2),
  };
  get name(): string {
    return $.utils.getText(0, this);
  }
  set name(value: string) {
    $.utils.setText(0, value, this);
  }
  get value(): string {
    return $.utils.getText(1, this);
  }
  set value(value: string) {
    $.utils.setText(1, value, this);
  }
  override toString(): string { return "Command_Variable_" + super.toString(); }
}
export class Command extends $.Struct {
  static readonly Variable = Command_Variable;
  static override readonly _capnp = {
    displayName: "Command",
    id: "a852b7df27e25eb0",
    size: new $.ObjectSize(16, 3),
  };
  static _Environment: $.ListCtor<Command_Variable>;
  _adoptArgv(value: $.Orphan<$.List<string>>): void {
    $.utils.adopt(value, $.utils.getPointer(0, this));
  }
  _disownArgv(): $.Orphan<$.List<string>> {
    return $.utils.disown(this.argv);
  }
  /**
* the program and its arguments; no shell unless you name one
*
*/
  get argv(): $.List<string> {
    return $.utils.getList(0, $.TextList, this);
  }
  _hasArgv(): boolean {
    return !$.utils.isNull($.utils.getPointer(0, this));
  }
  _initArgv(length: number): $.List<string> {
    return $.utils.initList(0, $.TextList, length, this);
  }
  set argv(value: $.List<string>) {
    $.utils.copyFrom(value, $.utils.getPointer(0, this));
  }
  /**
* empty: the workspace
*
*/
  get workdir(): string {
    return $.utils.getText(1, this);
  }
  set workdir(value: string) {
    $.utils.setText(1, value, this);
  }
  _adoptEnvironment(value: $.Orphan<$.List<Command_Variable>>): void {
    $.utils.adopt(value, $.utils.getPointer(2, this));
  }
  _disownEnvironment(): $.Orphan<$.List<Command_Variable>> {
    return $.utils.disown(this.environment);
  }
  get environment(): $.List<Command_Variable> {
    return $.utils.getList(2, Command._Environment, this);
  }
  _hasEnvironment(): boolean {
    return !$.utils.isNull($.utils.getPointer(2, this));
  }
  _initEnvironment(length: number): $.List<Command_Variable> {
    return $.utils.initList(2, Command._Environment, length, this);
  }
  set environment(value: $.List<Command_Variable>) {
    $.utils.copyFrom(value, $.utils.getPointer(2, this));
  }
  /**
* the process group is killed after this time; zero: never
*
*/
  get timeoutMs(): bigint {
    return $.utils.getUint64(0, this);
  }
  set timeoutMs(value: bigint) {
    $.utils.setUint64(0, value, this);
  }
  get mergeStderr(): boolean {
    return $.utils.getBit(64, this);
  }
  set mergeStderr(value: boolean) {
    $.utils.setBit(64, value, this);
  }
  /**
* keep standard input open for `Process.stdin`; otherwise it is at its end
*
*/
  get stdin(): boolean {
    return $.utils.getBit(65, this);
  }
  set stdin(value: boolean) {
    $.utils.setBit(65, value, this);
  }
  override toString(): string { return "Command_" + super.toString(); }
}
export class Process_Wait$Params extends $.Struct {
  static override readonly _capnp = {
    displayName: "wait$Params",
    id: "d44d339dc7d827bf",
    size: new $.ObjectSize(0, 0),
  };
  override toString(): string { return "Process_Wait$Params_" + super.toString(); }
}
export class Process_Wait$Results extends $.Struct {
  static override readonly _capnp = {
    displayName: "wait$Results",
    id: "945890088c283fe7",
    size: new $.ObjectSize(0, 1),
  };
  _adoptStatus(value: $.Orphan<ExitStatus>): void {
    $.utils.adopt(value, $.utils.getPointer(0, this));
  }
  _disownStatus(): $.Orphan<ExitStatus> {
    return $.utils.disown(this.status);
  }
  get status(): ExitStatus {
    return $.utils.getStruct(0, ExitStatus, this);
  }
  _hasStatus(): boolean {
    return !$.utils.isNull($.utils.getPointer(0, this));
  }
  _initStatus(): ExitStatus {
    return $.utils.initStructAt(0, ExitStatus, this);
  }
  set status(value: ExitStatus) {
    $.utils.copyFrom(value, $.utils.getPointer(0, this));
  }
  override toString(): string { return "Process_Wait$Results_" + super.toString(); }
}
export class Process_Wait$Results$Promise {
  pipeline: $.Pipeline<any, any, Process_Wait$Results>;
  constructor(pipeline: $.Pipeline<any, any, Process_Wait$Results>) {
    this.pipeline = pipeline;
  }
  async promise(): Promise<Process_Wait$Results> {
    return await this.pipeline.struct();
  }
}
export class Process_Signal$Params extends $.Struct {
  static override readonly _capnp = {
    displayName: "signal$Params",
    id: "a747721803c7c259",
    size: new $.ObjectSize(8, 0),
  };
  get number(): number {
    return $.utils.getUint8(0, this);
  }
  set number(value: number) {
    $.utils.setUint8(0, value, this);
  }
  override toString(): string { return "Process_Signal$Params_" + super.toString(); }
}
export class Process_Signal$Results extends $.Struct {
  static override readonly _capnp = {
    displayName: "signal$Results",
    id: "9ef71684328c1cc5",
    size: new $.ObjectSize(0, 0),
  };
  override toString(): string { return "Process_Signal$Results_" + super.toString(); }
}
export class Process_Signal$Results$Promise {
  pipeline: $.Pipeline<any, any, Process_Signal$Results>;
  constructor(pipeline: $.Pipeline<any, any, Process_Signal$Results>) {
    this.pipeline = pipeline;
  }
  async promise(): Promise<Process_Signal$Results> {
    return await this.pipeline.struct();
  }
}
export class Process_Stdin$Params extends $.Struct {
  static override readonly _capnp = {
    displayName: "stdin$Params",
    id: "96261d96a66c3fae",
    size: new $.ObjectSize(0, 0),
  };
  override toString(): string { return "Process_Stdin$Params_" + super.toString(); }
}
export class Process_Stdin$Results extends $.Struct {
  static override readonly _capnp = {
    displayName: "stdin$Results",
    id: "c0f2bb2218d38395",
    size: new $.ObjectSize(0, 1),
  };
  get sink(): ByteSink$Client | null {
    const client = capabilityField(0, this);
    return client ? new ByteSink$Client(client) : null;
  }
  set sink(value: ByteSink$Client | null) {
    if (value) $.utils.setInterfacePointer(this.segment.message.addCap(value.client), $.utils.getPointer(0, this));
    else $.utils.erase($.utils.getPointer(0, this));
  }
  override toString(): string { return "Process_Stdin$Results_" + super.toString(); }
}
export class Process_Stdin$Results$Promise {
  pipeline: $.Pipeline<any, any, Process_Stdin$Results>;
  constructor(pipeline: $.Pipeline<any, any, Process_Stdin$Results>) {
    this.pipeline = pipeline;
  }
  getSink(): ByteSink$Client {
    return new ByteSink$Client(this.pipeline.getPipeline(ByteSink, 0).client());
  }
  async promise(): Promise<Process_Stdin$Results> {
    return await this.pipeline.struct();
  }
}
export class Process$Client {
  client: $.Client;
  static readonly interfaceId: bigint = 0xa3d0e5919dca90den;
  constructor(client: $.Client) {
    this.client = client;
  }
  static readonly methods: [
    $.Method<Process_Wait$Params, Process_Wait$Results>,
    $.Method<Process_Signal$Params, Process_Signal$Results>,
    $.Method<Process_Stdin$Params, Process_Stdin$Results>
  ] = [
    {
      ParamsClass: Process_Wait$Params,
      ResultsClass: Process_Wait$Results,
      interfaceId: Process$Client.interfaceId,
      methodId: 0,
      interfaceName: "sandbox-rpc.capnp:Process",
      methodName: "wait"
    },
    {
      ParamsClass: Process_Signal$Params,
      ResultsClass: Process_Signal$Results,
      interfaceId: Process$Client.interfaceId,
      methodId: 1,
      interfaceName: "sandbox-rpc.capnp:Process",
      methodName: "signal"
    },
    {
      ParamsClass: Process_Stdin$Params,
      ResultsClass: Process_Stdin$Results,
      interfaceId: Process$Client.interfaceId,
      methodId: 2,
      interfaceName: "sandbox-rpc.capnp:Process",
      methodName: "stdin"
    }
  ];
  /**
* Returns after the command has ended and its output was delivered.
*
*/
  wait(paramsFunc?: (params: Process_Wait$Params) => void): Process_Wait$Results$Promise {
    const answer = this.client.call({
      method: Process$Client.methods[0],
      ...(paramsFunc && { paramsFunc })
    });
    const pipeline = new $.Pipeline(Process_Wait$Results, answer);
    return new Process_Wait$Results$Promise(pipeline);
  }
  /**
* Sends a signal to the process group. `notFound` when it has ended.
*
*/
  signal(paramsFunc?: (params: Process_Signal$Params) => void): Process_Signal$Results$Promise {
    const answer = this.client.call({
      method: Process$Client.methods[1],
      ...(paramsFunc && { paramsFunc })
    });
    const pipeline = new $.Pipeline(Process_Signal$Results, answer);
    return new Process_Signal$Results$Promise(pipeline);
  }
  /**
* Standard input; `done` closes it.
*
*/
  stdin(paramsFunc?: (params: Process_Stdin$Params) => void): Process_Stdin$Results$Promise {
    const answer = this.client.call({
      method: Process$Client.methods[2],
      ...(paramsFunc && { paramsFunc })
    });
    const pipeline = new $.Pipeline(Process_Stdin$Results, answer);
    return new Process_Stdin$Results$Promise(pipeline);
  }
}
$.Registry.register(Process$Client.interfaceId, Process$Client);
export interface Process$Server$Target {
  wait(params: Process_Wait$Params, results: Process_Wait$Results): Promise<void>;
  signal(params: Process_Signal$Params, results: Process_Signal$Results): Promise<void>;
  stdin(params: Process_Stdin$Params, results: Process_Stdin$Results): Promise<void>;
}
export class Process$Server extends $.Server {
  declare readonly target: Process$Server$Target;
  constructor(target: Process$Server$Target) {
    super(target, [
      {
        ...Process$Client.methods[0],
        impl: target.wait
      },
      {
        ...Process$Client.methods[1],
        impl: target.signal
      },
      {
        ...Process$Client.methods[2],
        impl: target.stdin
      }
    ]);
    this.target = target;
  }
  client(): Process$Client {
    return new Process$Client(this);
  }
}
/**
* A running command. Dropping the last reference before it has ended kills its process group.
*
*/
export class Process extends $.Interface {
  static readonly Client = Process$Client;
  static readonly Server = Process$Server;
  static override readonly _capnp = {
    displayName: "Process",
    id: "a3d0e5919dca90de",
    size: new $.ObjectSize(0, 0),
  };
  override toString(): string { return "Process_" + super.toString(); }
}
export const ExitStatus_Which = {
  /**
* exited by itself
*
*/
  CODE: 0,
  /**
* ended by this signal
*
*/
  SIGNAL: 1,
  /**
* killed because `timeoutMs` was over
*
*/
  TIMEOUT: 2
} as const;
export type ExitStatus_Which = (typeof ExitStatus_Which)[keyof typeof ExitStatus_Which];
export class ExitStatus extends $.Struct {
  static readonly CODE = ExitStatus_Which.CODE;
  static readonly SIGNAL = ExitStatus_Which.SIGNAL;
  static readonly TIMEOUT = ExitStatus_Which.TIMEOUT;
  static override readonly _capnp = {
    displayName: "ExitStatus",
    id: "892dd96e5b61d7aa",
    size: new $.ObjectSize(8, 0),
  };
  /**
* exited by itself
*
*/
  get code(): number {
    $.utils.testWhich("code", $.utils.getUint16(4, this), 0, this);
    return $.utils.getUint32(0, this);
  }
  get _isCode(): boolean {
    return $.utils.getUint16(4, this) === 0;
  }
  set code(value: number) {
    $.utils.setUint16(4, 0, this);
    $.utils.setUint32(0, value, this);
  }
  /**
* ended by this signal
*
*/
  get signal(): number {
    $.utils.testWhich("signal", $.utils.getUint16(4, this), 1, this);
    return $.utils.getUint32(0, this);
  }
  get _isSignal(): boolean {
    return $.utils.getUint16(4, this) === 1;
  }
  set signal(value: number) {
    $.utils.setUint16(4, 1, this);
    $.utils.setUint32(0, value, this);
  }
  get _isTimeout(): boolean {
    return $.utils.getUint16(4, this) === 2;
  }
  set timeout(_: true) {
    $.utils.setUint16(4, 2, this);
  }
  override toString(): string { return "ExitStatus_" + super.toString(); }
  which(): ExitStatus_Which {
    return $.utils.getUint16(4, this) as ExitStatus_Which;
  }
}
export class ByteSink_Write$Params extends $.Struct {
  static override readonly _capnp = {
    displayName: "write$Params",
    id: "c7f5db2c1eff6c37",
    size: new $.ObjectSize(0, 1),
  };
  _adoptBytes(value: $.Orphan<$.Data>): void {
    $.utils.adopt(value, $.utils.getPointer(0, this));
  }
  _disownBytes(): $.Orphan<$.Data> {
    return $.utils.disown(this.bytes);
  }
  get bytes(): $.Data {
    return $.utils.getData(0, this);
  }
  _hasBytes(): boolean {
    return !$.utils.isNull($.utils.getPointer(0, this));
  }
  _initBytes(length: number): $.Data {
    return $.utils.initData(0, length, this);
  }
  set bytes(value: $.Data) {
    $.utils.copyFrom(value, $.utils.getPointer(0, this));
  }
  override toString(): string { return "ByteSink_Write$Params_" + super.toString(); }
}
export class ByteSink_Done$Params extends $.Struct {
  static override readonly _capnp = {
    displayName: "done$Params",
    id: "b362a1293fc1dae4",
    size: new $.ObjectSize(0, 0),
  };
  override toString(): string { return "ByteSink_Done$Params_" + super.toString(); }
}
export class ByteSink_Done$Results extends $.Struct {
  static override readonly _capnp = {
    displayName: "done$Results",
    id: "cba1a0b41bdf09a2",
    size: new $.ObjectSize(0, 0),
  };
  override toString(): string { return "ByteSink_Done$Results_" + super.toString(); }
}
export class ByteSink_Done$Results$Promise {
  pipeline: $.Pipeline<any, any, ByteSink_Done$Results>;
  constructor(pipeline: $.Pipeline<any, any, ByteSink_Done$Results>) {
    this.pipeline = pipeline;
  }
  async promise(): Promise<ByteSink_Done$Results> {
    return await this.pipeline.struct();
  }
}
export class ByteSink$Client {
  client: $.Client;
  static readonly interfaceId: bigint = 0xa157835bacba6a89n;
  constructor(client: $.Client) {
    this.client = client;
  }
  static readonly methods: [
    $.Method<ByteSink_Write$Params, StreamResult>,
    $.Method<ByteSink_Done$Params, ByteSink_Done$Results>
  ] = [
    {
      ParamsClass: ByteSink_Write$Params,
      ResultsClass: StreamResult,
      interfaceId: ByteSink$Client.interfaceId,
      methodId: 0,
      interfaceName: "sandbox-rpc.capnp:ByteSink",
      methodName: "write"
    },
    {
      ParamsClass: ByteSink_Done$Params,
      ResultsClass: ByteSink_Done$Results,
      interfaceId: ByteSink$Client.interfaceId,
      methodId: 1,
      interfaceName: "sandbox-rpc.capnp:ByteSink",
      methodName: "done"
    }
  ];
  /**
* At most 1 MiB a call. The stream's window is the back-pressure. A failure shows at the next call, at the latest at `done`.
*
*/
  write(paramsFunc?: (params: ByteSink_Write$Params) => void): StreamResult$Promise {
    const answer = this.client.call({
      method: ByteSink$Client.methods[0],
      ...(paramsFunc && { paramsFunc })
    });
    const pipeline = new $.Pipeline(StreamResult, answer);
    return new StreamResult$Promise(pipeline);
  }
  /**
* The end of the bytes. Always call and await it before dropping the sink.
*
*/
  done(paramsFunc?: (params: ByteSink_Done$Params) => void): ByteSink_Done$Results$Promise {
    const answer = this.client.call({
      method: ByteSink$Client.methods[1],
      ...(paramsFunc && { paramsFunc })
    });
    const pipeline = new $.Pipeline(ByteSink_Done$Results, answer);
    return new ByteSink_Done$Results$Promise(pipeline);
  }
}
$.Registry.register(ByteSink$Client.interfaceId, ByteSink$Client);
export interface ByteSink$Server$Target {
  write(params: ByteSink_Write$Params, results: StreamResult): Promise<void>;
  done(params: ByteSink_Done$Params, results: ByteSink_Done$Results): Promise<void>;
}
export class ByteSink$Server extends $.Server {
  declare readonly target: ByteSink$Server$Target;
  constructor(target: ByteSink$Server$Target) {
    super(target, [
      {
        ...ByteSink$Client.methods[0],
        impl: target.write
      },
      {
        ...ByteSink$Client.methods[1],
        impl: target.done
      }
    ]);
    this.target = target;
  }
  client(): ByteSink$Client {
    return new ByteSink$Client(this);
  }
}
export class ByteSink extends $.Interface {
  static readonly Client = ByteSink$Client;
  static readonly Server = ByteSink$Server;
  static override readonly _capnp = {
    displayName: "ByteSink",
    id: "a157835bacba6a89",
    size: new $.ObjectSize(0, 0),
  };
  override toString(): string { return "ByteSink_" + super.toString(); }
}
SandboxRpcApi_Sessions$Results._Sessions = $.CompositeList(SessionInfo);
ToolResult._Attachments = $.CompositeList(ToolResult_Attachment);
Files_List$Results._Entries = $.CompositeList(Files_Entry);
Command._Environment = $.CompositeList(Command_Variable);
