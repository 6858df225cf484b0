// Generated from vat-test.capnp by generate.mjs; do not edit.
import * as $ from "capnp-es";
import { capabilityField } from "../../../src/capnp/pointers.ts";
export const _capnpFileId = 0x9a1cc58fd9b2a3e4n;
export class VatTest_Echo$Params extends $.Struct {
  static override readonly _capnp = {
    displayName: "echo$Params",
    id: "828486bd0b11276d",
    size: new $.ObjectSize(0, 1),
  };
  _adoptData(value: $.Orphan<$.Data>): void {
    $.utils.adopt(value, $.utils.getPointer(0, this));
  }
  _disownData(): $.Orphan<$.Data> {
    return $.utils.disown(this.data);
  }
  get data(): $.Data {
    return $.utils.getData(0, this);
  }
  _hasData(): boolean {
    return !$.utils.isNull($.utils.getPointer(0, this));
  }
  _initData(length: number): $.Data {
    return $.utils.initData(0, length, this);
  }
  set data(value: $.Data) {
    $.utils.copyFrom(value, $.utils.getPointer(0, this));
  }
  override toString(): string { return "VatTest_Echo$Params_" + super.toString(); }
}
export class VatTest_Echo$Results extends $.Struct {
  static override readonly _capnp = {
    displayName: "echo$Results",
    id: "d63134adf6ada198",
    size: new $.ObjectSize(0, 1),
  };
  _adoptData(value: $.Orphan<$.Data>): void {
    $.utils.adopt(value, $.utils.getPointer(0, this));
  }
  _disownData(): $.Orphan<$.Data> {
    return $.utils.disown(this.data);
  }
  get data(): $.Data {
    return $.utils.getData(0, this);
  }
  _hasData(): boolean {
    return !$.utils.isNull($.utils.getPointer(0, this));
  }
  _initData(length: number): $.Data {
    return $.utils.initData(0, length, this);
  }
  set data(value: $.Data) {
    $.utils.copyFrom(value, $.utils.getPointer(0, this));
  }
  override toString(): string { return "VatTest_Echo$Results_" + super.toString(); }
}
export class VatTest_Echo$Results$Promise {
  pipeline: $.Pipeline<any, any, VatTest_Echo$Results>;
  constructor(pipeline: $.Pipeline<any, any, VatTest_Echo$Results>) {
    this.pipeline = pipeline;
  }
  async promise(): Promise<VatTest_Echo$Results> {
    return await this.pipeline.struct();
  }
}
export class VatTest_Fail$Params extends $.Struct {
  static override readonly _capnp = {
    displayName: "fail$Params",
    id: "a94981c010f17b4a",
    size: new $.ObjectSize(8, 1),
  };
  get reason(): string {
    return $.utils.getText(0, this);
  }
  set reason(value: string) {
    $.utils.setText(0, value, this);
  }
  get type(): number {
    return $.utils.getUint16(0, this);
  }
  set type(value: number) {
    $.utils.setUint16(0, value, this);
  }
  override toString(): string { return "VatTest_Fail$Params_" + super.toString(); }
}
export class VatTest_Fail$Results extends $.Struct {
  static override readonly _capnp = {
    displayName: "fail$Results",
    id: "87d2da402e6698ff",
    size: new $.ObjectSize(0, 0),
  };
  override toString(): string { return "VatTest_Fail$Results_" + super.toString(); }
}
export class VatTest_Fail$Results$Promise {
  pipeline: $.Pipeline<any, any, VatTest_Fail$Results>;
  constructor(pipeline: $.Pipeline<any, any, VatTest_Fail$Results>) {
    this.pipeline = pipeline;
  }
  async promise(): Promise<VatTest_Fail$Results> {
    return await this.pipeline.struct();
  }
}
export class VatTest_Stats$Params extends $.Struct {
  static override readonly _capnp = {
    displayName: "stats$Params",
    id: "a14d989f5b461760",
    size: new $.ObjectSize(0, 0),
  };
  override toString(): string { return "VatTest_Stats$Params_" + super.toString(); }
}
export class VatTest_Stats$Results extends $.Struct {
  static override readonly _capnp = {
    displayName: "stats$Results",
    id: "c9700a8c4b836f7d",
    size: new $.ObjectSize(16, 0),
  };
  get sessions(): number {
    return $.utils.getUint32(0, this);
  }
  set sessions(value: number) {
    $.utils.setUint32(0, value, this);
  }
  get hanging(): number {
    return $.utils.getUint32(4, this);
  }
  set hanging(value: number) {
    $.utils.setUint32(4, value, this);
  }
  get cancelled(): number {
    return $.utils.getUint32(8, this);
  }
  set cancelled(value: number) {
    $.utils.setUint32(8, value, this);
  }
  get sinks(): number {
    return $.utils.getUint32(12, this);
  }
  set sinks(value: number) {
    $.utils.setUint32(12, value, this);
  }
  override toString(): string { return "VatTest_Stats$Results_" + super.toString(); }
}
export class VatTest_Stats$Results$Promise {
  pipeline: $.Pipeline<any, any, VatTest_Stats$Results>;
  constructor(pipeline: $.Pipeline<any, any, VatTest_Stats$Results>) {
    this.pipeline = pipeline;
  }
  async promise(): Promise<VatTest_Stats$Results> {
    return await this.pipeline.struct();
  }
}
export class VatTest_OpenSession$Params extends $.Struct {
  static override readonly _capnp = {
    displayName: "openSession$Params",
    id: "bca55a4e23292125",
    size: new $.ObjectSize(0, 1),
  };
  get id(): string {
    return $.utils.getText(0, this);
  }
  set id(value: string) {
    $.utils.setText(0, value, this);
  }
  override toString(): string { return "VatTest_OpenSession$Params_" + super.toString(); }
}
export class VatTest_OpenSession$Results extends $.Struct {
  static override readonly _capnp = {
    displayName: "openSession$Results",
    id: "f0af2f03e18efcad",
    size: new $.ObjectSize(0, 1),
  };
  get session(): TestSession$Client | null {
    const client = capabilityField(0, this);
    return client ? new TestSession$Client(client) : null;
  }
  set session(value: TestSession$Client | null) {
    if (value) $.utils.setInterfacePointer(this.segment.message.addCap(value.client), $.utils.getPointer(0, this));
    else $.utils.erase($.utils.getPointer(0, this));
  }
  override toString(): string { return "VatTest_OpenSession$Results_" + super.toString(); }
}
export class VatTest_OpenSession$Results$Promise {
  pipeline: $.Pipeline<any, any, VatTest_OpenSession$Results>;
  constructor(pipeline: $.Pipeline<any, any, VatTest_OpenSession$Results>) {
    this.pipeline = pipeline;
  }
  getSession(): TestSession$Client {
    return new TestSession$Client(this.pipeline.getPipeline(TestSession, 0).client());
  }
  async promise(): Promise<VatTest_OpenSession$Results> {
    return await this.pipeline.struct();
  }
}
export class VatTest_LateSession$Params extends $.Struct {
  static override readonly _capnp = {
    displayName: "lateSession$Params",
    id: "acc6c6a76d546d17",
    size: new $.ObjectSize(0, 0),
  };
  override toString(): string { return "VatTest_LateSession$Params_" + super.toString(); }
}
export class VatTest_LateSession$Results extends $.Struct {
  static override readonly _capnp = {
    displayName: "lateSession$Results",
    id: "e5c85ad6153d98dd",
    size: new $.ObjectSize(0, 1),
  };
  get session(): TestSession$Client | null {
    const client = capabilityField(0, this);
    return client ? new TestSession$Client(client) : null;
  }
  set session(value: TestSession$Client | null) {
    if (value) $.utils.setInterfacePointer(this.segment.message.addCap(value.client), $.utils.getPointer(0, this));
    else $.utils.erase($.utils.getPointer(0, this));
  }
  override toString(): string { return "VatTest_LateSession$Results_" + super.toString(); }
}
export class VatTest_LateSession$Results$Promise {
  pipeline: $.Pipeline<any, any, VatTest_LateSession$Results>;
  constructor(pipeline: $.Pipeline<any, any, VatTest_LateSession$Results>) {
    this.pipeline = pipeline;
  }
  getSession(): TestSession$Client {
    return new TestSession$Client(this.pipeline.getPipeline(TestSession, 0).client());
  }
  async promise(): Promise<VatTest_LateSession$Results> {
    return await this.pipeline.struct();
  }
}
export class VatTest_ResolveLate$Params extends $.Struct {
  static override readonly _capnp = {
    displayName: "resolveLate$Params",
    id: "86342f4621b49599",
    size: new $.ObjectSize(0, 0),
  };
  override toString(): string { return "VatTest_ResolveLate$Params_" + super.toString(); }
}
export class VatTest_ResolveLate$Results extends $.Struct {
  static override readonly _capnp = {
    displayName: "resolveLate$Results",
    id: "9841036afebea005",
    size: new $.ObjectSize(0, 0),
  };
  override toString(): string { return "VatTest_ResolveLate$Results_" + super.toString(); }
}
export class VatTest_ResolveLate$Results$Promise {
  pipeline: $.Pipeline<any, any, VatTest_ResolveLate$Results>;
  constructor(pipeline: $.Pipeline<any, any, VatTest_ResolveLate$Results>) {
    this.pipeline = pipeline;
  }
  async promise(): Promise<VatTest_ResolveLate$Results> {
    return await this.pipeline.struct();
  }
}
export class VatTest_Same$Params extends $.Struct {
  static override readonly _capnp = {
    displayName: "same$Params",
    id: "c3f52a2fd06ec251",
    size: new $.ObjectSize(0, 1),
  };
  get sink(): TestSink$Client | null {
    const client = capabilityField(0, this);
    return client ? new TestSink$Client(client) : null;
  }
  set sink(value: TestSink$Client | null) {
    if (value) $.utils.setInterfacePointer(this.segment.message.addCap(value.client), $.utils.getPointer(0, this));
    else $.utils.erase($.utils.getPointer(0, this));
  }
  override toString(): string { return "VatTest_Same$Params_" + super.toString(); }
}
export class VatTest_Same$Results extends $.Struct {
  static override readonly _capnp = {
    displayName: "same$Results",
    id: "9f72cf06ae3750e3",
    size: new $.ObjectSize(0, 1),
  };
  get sink(): TestSink$Client | null {
    const client = capabilityField(0, this);
    return client ? new TestSink$Client(client) : null;
  }
  set sink(value: TestSink$Client | null) {
    if (value) $.utils.setInterfacePointer(this.segment.message.addCap(value.client), $.utils.getPointer(0, this));
    else $.utils.erase($.utils.getPointer(0, this));
  }
  override toString(): string { return "VatTest_Same$Results_" + super.toString(); }
}
export class VatTest_Same$Results$Promise {
  pipeline: $.Pipeline<any, any, VatTest_Same$Results>;
  constructor(pipeline: $.Pipeline<any, any, VatTest_Same$Results>) {
    this.pipeline = pipeline;
  }
  getSink(): TestSink$Client {
    return new TestSink$Client(this.pipeline.getPipeline(TestSink, 0).client());
  }
  async promise(): Promise<VatTest_Same$Results> {
    return await this.pipeline.struct();
  }
}
export class VatTest_SameLate$Params extends $.Struct {
  static override readonly _capnp = {
    displayName: "sameLate$Params",
    id: "caee509821fa7635",
    size: new $.ObjectSize(0, 1),
  };
  get sink(): TestSink$Client | null {
    const client = capabilityField(0, this);
    return client ? new TestSink$Client(client) : null;
  }
  set sink(value: TestSink$Client | null) {
    if (value) $.utils.setInterfacePointer(this.segment.message.addCap(value.client), $.utils.getPointer(0, this));
    else $.utils.erase($.utils.getPointer(0, this));
  }
  override toString(): string { return "VatTest_SameLate$Params_" + super.toString(); }
}
export class VatTest_SameLate$Results extends $.Struct {
  static override readonly _capnp = {
    displayName: "sameLate$Results",
    id: "a02f25cb35829570",
    size: new $.ObjectSize(0, 1),
  };
  get sink(): TestSink$Client | null {
    const client = capabilityField(0, this);
    return client ? new TestSink$Client(client) : null;
  }
  set sink(value: TestSink$Client | null) {
    if (value) $.utils.setInterfacePointer(this.segment.message.addCap(value.client), $.utils.getPointer(0, this));
    else $.utils.erase($.utils.getPointer(0, this));
  }
  override toString(): string { return "VatTest_SameLate$Results_" + super.toString(); }
}
export class VatTest_SameLate$Results$Promise {
  pipeline: $.Pipeline<any, any, VatTest_SameLate$Results>;
  constructor(pipeline: $.Pipeline<any, any, VatTest_SameLate$Results>) {
    this.pipeline = pipeline;
  }
  getSink(): TestSink$Client {
    return new TestSink$Client(this.pipeline.getPipeline(TestSink, 0).client());
  }
  async promise(): Promise<VatTest_SameLate$Results> {
    return await this.pipeline.struct();
  }
}
export class VatTest_Hang$Params extends $.Struct {
  static override readonly _capnp = {
    displayName: "hang$Params",
    id: "fb8d3a65cfddd2aa",
    size: new $.ObjectSize(0, 0),
  };
  override toString(): string { return "VatTest_Hang$Params_" + super.toString(); }
}
export class VatTest_Hang$Results extends $.Struct {
  static override readonly _capnp = {
    displayName: "hang$Results",
    id: "dbe712c5552d99ec",
    size: new $.ObjectSize(0, 0),
  };
  override toString(): string { return "VatTest_Hang$Results_" + super.toString(); }
}
export class VatTest_Hang$Results$Promise {
  pipeline: $.Pipeline<any, any, VatTest_Hang$Results>;
  constructor(pipeline: $.Pipeline<any, any, VatTest_Hang$Results>) {
    this.pipeline = pipeline;
  }
  async promise(): Promise<VatTest_Hang$Results> {
    return await this.pipeline.struct();
  }
}
export class VatTest_HangOn$Params extends $.Struct {
  static override readonly _capnp = {
    displayName: "hangOn$Params",
    id: "a6a7c02df411403e",
    size: new $.ObjectSize(0, 1),
  };
  get sink(): TestSink$Client | null {
    const client = capabilityField(0, this);
    return client ? new TestSink$Client(client) : null;
  }
  set sink(value: TestSink$Client | null) {
    if (value) $.utils.setInterfacePointer(this.segment.message.addCap(value.client), $.utils.getPointer(0, this));
    else $.utils.erase($.utils.getPointer(0, this));
  }
  override toString(): string { return "VatTest_HangOn$Params_" + super.toString(); }
}
export class VatTest_HangOn$Results extends $.Struct {
  static override readonly _capnp = {
    displayName: "hangOn$Results",
    id: "c6a7a8b212ea5b98",
    size: new $.ObjectSize(0, 0),
  };
  override toString(): string { return "VatTest_HangOn$Results_" + super.toString(); }
}
export class VatTest_HangOn$Results$Promise {
  pipeline: $.Pipeline<any, any, VatTest_HangOn$Results>;
  constructor(pipeline: $.Pipeline<any, any, VatTest_HangOn$Results>) {
    this.pipeline = pipeline;
  }
  async promise(): Promise<VatTest_HangOn$Results> {
    return await this.pipeline.struct();
  }
}
export class VatTest_Pump$Params extends $.Struct {
  static override readonly _capnp = {
    displayName: "pump$Params",
    id: "d04db5af69342444",
    size: new $.ObjectSize(16, 1),
  };
  get bytes(): bigint {
    return $.utils.getUint64(0, this);
  }
  set bytes(value: bigint) {
    $.utils.setUint64(0, value, this);
  }
  get chunk(): number {
    return $.utils.getUint32(8, this);
  }
  set chunk(value: number) {
    $.utils.setUint32(8, value, this);
  }
  get sink(): TestSink$Client | null {
    const client = capabilityField(0, this);
    return client ? new TestSink$Client(client) : null;
  }
  set sink(value: TestSink$Client | null) {
    if (value) $.utils.setInterfacePointer(this.segment.message.addCap(value.client), $.utils.getPointer(0, this));
    else $.utils.erase($.utils.getPointer(0, this));
  }
  override toString(): string { return "VatTest_Pump$Params_" + super.toString(); }
}
export class VatTest_Pump$Results extends $.Struct {
  static override readonly _capnp = {
    displayName: "pump$Results",
    id: "f75eca235c3b2143",
    size: new $.ObjectSize(8, 0),
  };
  get sent(): bigint {
    return $.utils.getUint64(0, this);
  }
  set sent(value: bigint) {
    $.utils.setUint64(0, value, this);
  }
  override toString(): string { return "VatTest_Pump$Results_" + super.toString(); }
}
export class VatTest_Pump$Results$Promise {
  pipeline: $.Pipeline<any, any, VatTest_Pump$Results>;
  constructor(pipeline: $.Pipeline<any, any, VatTest_Pump$Results>) {
    this.pipeline = pipeline;
  }
  async promise(): Promise<VatTest_Pump$Results> {
    return await this.pipeline.struct();
  }
}
export class VatTest_HasSink$Params extends $.Struct {
  static override readonly _capnp = {
    displayName: "hasSink$Params",
    id: "a0c861675e923923",
    size: new $.ObjectSize(0, 1),
  };
  get sink(): TestSink$Client | null {
    const client = capabilityField(0, this);
    return client ? new TestSink$Client(client) : null;
  }
  set sink(value: TestSink$Client | null) {
    if (value) $.utils.setInterfacePointer(this.segment.message.addCap(value.client), $.utils.getPointer(0, this));
    else $.utils.erase($.utils.getPointer(0, this));
  }
  override toString(): string { return "VatTest_HasSink$Params_" + super.toString(); }
}
export class VatTest_HasSink$Results extends $.Struct {
  static override readonly _capnp = {
    displayName: "hasSink$Results",
    id: "e5a4843ebd65874d",
    size: new $.ObjectSize(8, 0),
  };
  get present(): boolean {
    return $.utils.getBit(0, this);
  }
  set present(value: boolean) {
    $.utils.setBit(0, value, this);
  }
  override toString(): string { return "VatTest_HasSink$Results_" + super.toString(); }
}
export class VatTest_HasSink$Results$Promise {
  pipeline: $.Pipeline<any, any, VatTest_HasSink$Results>;
  constructor(pipeline: $.Pipeline<any, any, VatTest_HasSink$Results>) {
    this.pipeline = pipeline;
  }
  async promise(): Promise<VatTest_HasSink$Results> {
    return await this.pipeline.struct();
  }
}
export class VatTest_TwoSinks$Params extends $.Struct {
  static override readonly _capnp = {
    displayName: "twoSinks$Params",
    id: "8e4a19344c40a1b8",
    size: new $.ObjectSize(0, 0),
  };
  override toString(): string { return "VatTest_TwoSinks$Params_" + super.toString(); }
}
export class VatTest_TwoSinks$Results extends $.Struct {
  static override readonly _capnp = {
    displayName: "twoSinks$Results",
    id: "ac2ae217fb9c116b",
    size: new $.ObjectSize(0, 2),
  };
  get first(): TestSink$Client | null {
    const client = capabilityField(0, this);
    return client ? new TestSink$Client(client) : null;
  }
  set first(value: TestSink$Client | null) {
    if (value) $.utils.setInterfacePointer(this.segment.message.addCap(value.client), $.utils.getPointer(0, this));
    else $.utils.erase($.utils.getPointer(0, this));
  }
  get second(): TestSink$Client | null {
    const client = capabilityField(1, this);
    return client ? new TestSink$Client(client) : null;
  }
  set second(value: TestSink$Client | null) {
    if (value) $.utils.setInterfacePointer(this.segment.message.addCap(value.client), $.utils.getPointer(1, this));
    else $.utils.erase($.utils.getPointer(1, this));
  }
  override toString(): string { return "VatTest_TwoSinks$Results_" + super.toString(); }
}
export class VatTest_TwoSinks$Results$Promise {
  pipeline: $.Pipeline<any, any, VatTest_TwoSinks$Results>;
  constructor(pipeline: $.Pipeline<any, any, VatTest_TwoSinks$Results>) {
    this.pipeline = pipeline;
  }
  getFirst(): TestSink$Client {
    return new TestSink$Client(this.pipeline.getPipeline(TestSink, 0).client());
  }
  getSecond(): TestSink$Client {
    return new TestSink$Client(this.pipeline.getPipeline(TestSink, 1).client());
  }
  async promise(): Promise<VatTest_TwoSinks$Results> {
    return await this.pipeline.struct();
  }
}
export class VatTest_StalledSink$Params extends $.Struct {
  static override readonly _capnp = {
    displayName: "stalledSink$Params",
    id: "9f38933bf8bbb5fb",
    size: new $.ObjectSize(0, 0),
  };
  override toString(): string { return "VatTest_StalledSink$Params_" + super.toString(); }
}
export class VatTest_StalledSink$Results extends $.Struct {
  static override readonly _capnp = {
    displayName: "stalledSink$Results",
    id: "a4ea689b85e3b397",
    size: new $.ObjectSize(0, 1),
  };
  get sink(): TestSink$Client | null {
    const client = capabilityField(0, this);
    return client ? new TestSink$Client(client) : null;
  }
  set sink(value: TestSink$Client | null) {
    if (value) $.utils.setInterfacePointer(this.segment.message.addCap(value.client), $.utils.getPointer(0, this));
    else $.utils.erase($.utils.getPointer(0, this));
  }
  override toString(): string { return "VatTest_StalledSink$Results_" + super.toString(); }
}
export class VatTest_StalledSink$Results$Promise {
  pipeline: $.Pipeline<any, any, VatTest_StalledSink$Results>;
  constructor(pipeline: $.Pipeline<any, any, VatTest_StalledSink$Results>) {
    this.pipeline = pipeline;
  }
  getSink(): TestSink$Client {
    return new TestSink$Client(this.pipeline.getPipeline(TestSink, 0).client());
  }
  async promise(): Promise<VatTest_StalledSink$Results> {
    return await this.pipeline.struct();
  }
}
export class VatTest_Flow$Params extends $.Struct {
  static override readonly _capnp = {
    displayName: "flow$Params",
    id: "a0aeef2b1cb582bf",
    size: new $.ObjectSize(0, 0),
  };
  override toString(): string { return "VatTest_Flow$Params_" + super.toString(); }
}
export class VatTest_Flow$Results extends $.Struct {
  static override readonly _capnp = {
    displayName: "flow$Results",
    id: "dd87e20669ef5b9a",
    size: new $.ObjectSize(0, 0),
  };
  override toString(): string { return "VatTest_Flow$Results_" + super.toString(); }
}
export class VatTest_Flow$Results$Promise {
  pipeline: $.Pipeline<any, any, VatTest_Flow$Results>;
  constructor(pipeline: $.Pipeline<any, any, VatTest_Flow$Results>) {
    this.pipeline = pipeline;
  }
  async promise(): Promise<VatTest_Flow$Results> {
    return await this.pipeline.struct();
  }
}
export class VatTest_Crash$Params extends $.Struct {
  static override readonly _capnp = {
    displayName: "crash$Params",
    id: "fd25823a59e83c07",
    size: new $.ObjectSize(0, 0),
  };
  override toString(): string { return "VatTest_Crash$Params_" + super.toString(); }
}
export class VatTest_Crash$Results extends $.Struct {
  static override readonly _capnp = {
    displayName: "crash$Results",
    id: "b2a4569ba83bb638",
    size: new $.ObjectSize(0, 0),
  };
  override toString(): string { return "VatTest_Crash$Results_" + super.toString(); }
}
export class VatTest_Crash$Results$Promise {
  pipeline: $.Pipeline<any, any, VatTest_Crash$Results>;
  constructor(pipeline: $.Pipeline<any, any, VatTest_Crash$Results>) {
    this.pipeline = pipeline;
  }
  async promise(): Promise<VatTest_Crash$Results> {
    return await this.pipeline.struct();
  }
}
export class VatTest_Wide$Params extends $.Struct {
  static override readonly _capnp = {
    displayName: "wide$Params",
    id: "d253a39825432c2f",
    size: new $.ObjectSize(0, 0),
  };
  override toString(): string { return "VatTest_Wide$Params_" + super.toString(); }
}
export class VatTest_Wide$Results extends $.Struct {
  static override readonly _capnp = {
    displayName: "wide$Results",
    id: "d250ac2d71df9cfc",
    size: new $.ObjectSize(16, 1),
  };
  get text(): string {
    return $.utils.getText(0, this);
  }
  set text(value: string) {
    $.utils.setText(0, value, this);
  }
  get number(): bigint {
    return $.utils.getUint64(0, this);
  }
  set number(value: bigint) {
    $.utils.setUint64(0, value, this);
  }
  get flag(): boolean {
    return $.utils.getBit(64, this);
  }
  set flag(value: boolean) {
    $.utils.setBit(64, value, this);
  }
  override toString(): string { return "VatTest_Wide$Results_" + super.toString(); }
}
export class VatTest_Wide$Results$Promise {
  pipeline: $.Pipeline<any, any, VatTest_Wide$Results>;
  constructor(pipeline: $.Pipeline<any, any, VatTest_Wide$Results>) {
    this.pipeline = pipeline;
  }
  async promise(): Promise<VatTest_Wide$Results> {
    return await this.pipeline.struct();
  }
}
export class VatTest_Nowhere$Params extends $.Struct {
  static override readonly _capnp = {
    displayName: "nowhere$Params",
    id: "dfe5a483462c4f2e",
    size: new $.ObjectSize(0, 0),
  };
  override toString(): string { return "VatTest_Nowhere$Params_" + super.toString(); }
}
export class VatTest_Nowhere$Results extends $.Struct {
  static override readonly _capnp = {
    displayName: "nowhere$Results",
    id: "caa1a64b1e39934b",
    size: new $.ObjectSize(0, 1),
  };
  get sink(): TestSink$Client | null {
    const client = capabilityField(0, this);
    return client ? new TestSink$Client(client) : null;
  }
  set sink(value: TestSink$Client | null) {
    if (value) $.utils.setInterfacePointer(this.segment.message.addCap(value.client), $.utils.getPointer(0, this));
    else $.utils.erase($.utils.getPointer(0, this));
  }
  override toString(): string { return "VatTest_Nowhere$Results_" + super.toString(); }
}
export class VatTest_Nowhere$Results$Promise {
  pipeline: $.Pipeline<any, any, VatTest_Nowhere$Results>;
  constructor(pipeline: $.Pipeline<any, any, VatTest_Nowhere$Results>) {
    this.pipeline = pipeline;
  }
  getSink(): TestSink$Client {
    return new TestSink$Client(this.pipeline.getPipeline(TestSink, 0).client());
  }
  async promise(): Promise<VatTest_Nowhere$Results> {
    return await this.pipeline.struct();
  }
}
export class VatTest$Client {
  client: $.Client;
  static readonly interfaceId: bigint = 0xa1b654b3d5edcdfbn;
  constructor(client: $.Client) {
    this.client = client;
  }
  static readonly methods: [
    $.Method<VatTest_Echo$Params, VatTest_Echo$Results>,
    $.Method<VatTest_Fail$Params, VatTest_Fail$Results>,
    $.Method<VatTest_Stats$Params, VatTest_Stats$Results>,
    $.Method<VatTest_OpenSession$Params, VatTest_OpenSession$Results>,
    $.Method<VatTest_LateSession$Params, VatTest_LateSession$Results>,
    $.Method<VatTest_ResolveLate$Params, VatTest_ResolveLate$Results>,
    $.Method<VatTest_Same$Params, VatTest_Same$Results>,
    $.Method<VatTest_SameLate$Params, VatTest_SameLate$Results>,
    $.Method<VatTest_Hang$Params, VatTest_Hang$Results>,
    $.Method<VatTest_HangOn$Params, VatTest_HangOn$Results>,
    $.Method<VatTest_Pump$Params, VatTest_Pump$Results>,
    $.Method<VatTest_HasSink$Params, VatTest_HasSink$Results>,
    $.Method<VatTest_TwoSinks$Params, VatTest_TwoSinks$Results>,
    $.Method<VatTest_StalledSink$Params, VatTest_StalledSink$Results>,
    $.Method<VatTest_Flow$Params, VatTest_Flow$Results>,
    $.Method<VatTest_Crash$Params, VatTest_Crash$Results>,
    $.Method<VatTest_Wide$Params, VatTest_Wide$Results>,
    $.Method<VatTest_Nowhere$Params, VatTest_Nowhere$Results>
  ] = [
    {
      ParamsClass: VatTest_Echo$Params,
      ResultsClass: VatTest_Echo$Results,
      interfaceId: VatTest$Client.interfaceId,
      methodId: 0,
      interfaceName: "vat-test.capnp:VatTest",
      methodName: "echo"
    },
    {
      ParamsClass: VatTest_Fail$Params,
      ResultsClass: VatTest_Fail$Results,
      interfaceId: VatTest$Client.interfaceId,
      methodId: 1,
      interfaceName: "vat-test.capnp:VatTest",
      methodName: "fail"
    },
    {
      ParamsClass: VatTest_Stats$Params,
      ResultsClass: VatTest_Stats$Results,
      interfaceId: VatTest$Client.interfaceId,
      methodId: 2,
      interfaceName: "vat-test.capnp:VatTest",
      methodName: "stats"
    },
    {
      ParamsClass: VatTest_OpenSession$Params,
      ResultsClass: VatTest_OpenSession$Results,
      interfaceId: VatTest$Client.interfaceId,
      methodId: 3,
      interfaceName: "vat-test.capnp:VatTest",
      methodName: "openSession"
    },
    {
      ParamsClass: VatTest_LateSession$Params,
      ResultsClass: VatTest_LateSession$Results,
      interfaceId: VatTest$Client.interfaceId,
      methodId: 4,
      interfaceName: "vat-test.capnp:VatTest",
      methodName: "lateSession"
    },
    {
      ParamsClass: VatTest_ResolveLate$Params,
      ResultsClass: VatTest_ResolveLate$Results,
      interfaceId: VatTest$Client.interfaceId,
      methodId: 5,
      interfaceName: "vat-test.capnp:VatTest",
      methodName: "resolveLate"
    },
    {
      ParamsClass: VatTest_Same$Params,
      ResultsClass: VatTest_Same$Results,
      interfaceId: VatTest$Client.interfaceId,
      methodId: 6,
      interfaceName: "vat-test.capnp:VatTest",
      methodName: "same"
    },
    {
      ParamsClass: VatTest_SameLate$Params,
      ResultsClass: VatTest_SameLate$Results,
      interfaceId: VatTest$Client.interfaceId,
      methodId: 7,
      interfaceName: "vat-test.capnp:VatTest",
      methodName: "sameLate"
    },
    {
      ParamsClass: VatTest_Hang$Params,
      ResultsClass: VatTest_Hang$Results,
      interfaceId: VatTest$Client.interfaceId,
      methodId: 8,
      interfaceName: "vat-test.capnp:VatTest",
      methodName: "hang"
    },
    {
      ParamsClass: VatTest_HangOn$Params,
      ResultsClass: VatTest_HangOn$Results,
      interfaceId: VatTest$Client.interfaceId,
      methodId: 9,
      interfaceName: "vat-test.capnp:VatTest",
      methodName: "hangOn"
    },
    {
      ParamsClass: VatTest_Pump$Params,
      ResultsClass: VatTest_Pump$Results,
      interfaceId: VatTest$Client.interfaceId,
      methodId: 10,
      interfaceName: "vat-test.capnp:VatTest",
      methodName: "pump"
    },
    {
      ParamsClass: VatTest_HasSink$Params,
      ResultsClass: VatTest_HasSink$Results,
      interfaceId: VatTest$Client.interfaceId,
      methodId: 11,
      interfaceName: "vat-test.capnp:VatTest",
      methodName: "hasSink"
    },
    {
      ParamsClass: VatTest_TwoSinks$Params,
      ResultsClass: VatTest_TwoSinks$Results,
      interfaceId: VatTest$Client.interfaceId,
      methodId: 12,
      interfaceName: "vat-test.capnp:VatTest",
      methodName: "twoSinks"
    },
    {
      ParamsClass: VatTest_StalledSink$Params,
      ResultsClass: VatTest_StalledSink$Results,
      interfaceId: VatTest$Client.interfaceId,
      methodId: 13,
      interfaceName: "vat-test.capnp:VatTest",
      methodName: "stalledSink"
    },
    {
      ParamsClass: VatTest_Flow$Params,
      ResultsClass: VatTest_Flow$Results,
      interfaceId: VatTest$Client.interfaceId,
      methodId: 14,
      interfaceName: "vat-test.capnp:VatTest",
      methodName: "flow"
    },
    {
      ParamsClass: VatTest_Crash$Params,
      ResultsClass: VatTest_Crash$Results,
      interfaceId: VatTest$Client.interfaceId,
      methodId: 15,
      interfaceName: "vat-test.capnp:VatTest",
      methodName: "crash"
    },
    {
      ParamsClass: VatTest_Wide$Params,
      ResultsClass: VatTest_Wide$Results,
      interfaceId: VatTest$Client.interfaceId,
      methodId: 16,
      interfaceName: "vat-test.capnp:VatTest",
      methodName: "wide"
    },
    {
      ParamsClass: VatTest_Nowhere$Params,
      ResultsClass: VatTest_Nowhere$Results,
      interfaceId: VatTest$Client.interfaceId,
      methodId: 17,
      interfaceName: "vat-test.capnp:VatTest",
      methodName: "nowhere"
    }
  ];
  echo(paramsFunc?: (params: VatTest_Echo$Params) => void): VatTest_Echo$Results$Promise {
    const answer = this.client.call({
      method: VatTest$Client.methods[0],
      ...(paramsFunc && { paramsFunc })
    });
    const pipeline = new $.Pipeline(VatTest_Echo$Results, answer);
    return new VatTest_Echo$Results$Promise(pipeline);
  }
  fail(paramsFunc?: (params: VatTest_Fail$Params) => void): VatTest_Fail$Results$Promise {
    const answer = this.client.call({
      method: VatTest$Client.methods[1],
      ...(paramsFunc && { paramsFunc })
    });
    const pipeline = new $.Pipeline(VatTest_Fail$Results, answer);
    return new VatTest_Fail$Results$Promise(pipeline);
  }
  stats(paramsFunc?: (params: VatTest_Stats$Params) => void): VatTest_Stats$Results$Promise {
    const answer = this.client.call({
      method: VatTest$Client.methods[2],
      ...(paramsFunc && { paramsFunc })
    });
    const pipeline = new $.Pipeline(VatTest_Stats$Results, answer);
    return new VatTest_Stats$Results$Promise(pipeline);
  }
  /**
* Fails for the id "bad".
*
*/
  openSession(paramsFunc?: (params: VatTest_OpenSession$Params) => void): VatTest_OpenSession$Results$Promise {
    const answer = this.client.call({
      method: VatTest$Client.methods[3],
      ...(paramsFunc && { paramsFunc })
    });
    const pipeline = new $.Pipeline(VatTest_OpenSession$Results, answer);
    return new VatTest_OpenSession$Results$Promise(pipeline);
  }
  /**
* Returns a promise at once, which `resolveLate` resolves.
*
*/
  lateSession(paramsFunc?: (params: VatTest_LateSession$Params) => void): VatTest_LateSession$Results$Promise {
    const answer = this.client.call({
      method: VatTest$Client.methods[4],
      ...(paramsFunc && { paramsFunc })
    });
    const pipeline = new $.Pipeline(VatTest_LateSession$Results, answer);
    return new VatTest_LateSession$Results$Promise(pipeline);
  }
  resolveLate(paramsFunc?: (params: VatTest_ResolveLate$Params) => void): VatTest_ResolveLate$Results$Promise {
    const answer = this.client.call({
      method: VatTest$Client.methods[5],
      ...(paramsFunc && { paramsFunc })
    });
    const pipeline = new $.Pipeline(VatTest_ResolveLate$Results, answer);
    return new VatTest_ResolveLate$Results$Promise(pipeline);
  }
  /**
* Hands the caller its own capability back.
*
*/
  same(paramsFunc?: (params: VatTest_Same$Params) => void): VatTest_Same$Results$Promise {
    const answer = this.client.call({
      method: VatTest$Client.methods[6],
      ...(paramsFunc && { paramsFunc })
    });
    const pipeline = new $.Pipeline(VatTest_Same$Results, answer);
    return new VatTest_Same$Results$Promise(pipeline);
  }
  /**
* As a promise, which `resolveLate` resolves.
*
*/
  sameLate(paramsFunc?: (params: VatTest_SameLate$Params) => void): VatTest_SameLate$Results$Promise {
    const answer = this.client.call({
      method: VatTest$Client.methods[7],
      ...(paramsFunc && { paramsFunc })
    });
    const pipeline = new $.Pipeline(VatTest_SameLate$Results, answer);
    return new VatTest_SameLate$Results$Promise(pipeline);
  }
  /**
* Never returns.
*
*/
  hang(paramsFunc?: (params: VatTest_Hang$Params) => void): VatTest_Hang$Results$Promise {
    const answer = this.client.call({
      method: VatTest$Client.methods[8],
      ...(paramsFunc && { paramsFunc })
    });
    const pipeline = new $.Pipeline(VatTest_Hang$Results, answer);
    return new VatTest_Hang$Results$Promise(pipeline);
  }
  /**
* Returns when `sink.wait` returns.
*
*/
  hangOn(paramsFunc?: (params: VatTest_HangOn$Params) => void): VatTest_HangOn$Results$Promise {
    const answer = this.client.call({
      method: VatTest$Client.methods[9],
      ...(paramsFunc && { paramsFunc })
    });
    const pipeline = new $.Pipeline(VatTest_HangOn$Results, answer);
    return new VatTest_HangOn$Results$Promise(pipeline);
  }
  pump(paramsFunc?: (params: VatTest_Pump$Params) => void): VatTest_Pump$Results$Promise {
    const answer = this.client.call({
      method: VatTest$Client.methods[10],
      ...(paramsFunc && { paramsFunc })
    });
    const pipeline = new $.Pipeline(VatTest_Pump$Results, answer);
    return new VatTest_Pump$Results$Promise(pipeline);
  }
  hasSink(paramsFunc?: (params: VatTest_HasSink$Params) => void): VatTest_HasSink$Results$Promise {
    const answer = this.client.call({
      method: VatTest$Client.methods[11],
      ...(paramsFunc && { paramsFunc })
    });
    const pipeline = new $.Pipeline(VatTest_HasSink$Results, answer);
    return new VatTest_HasSink$Results$Promise(pipeline);
  }
  /**
* `second` is null.
*
*/
  twoSinks(paramsFunc?: (params: VatTest_TwoSinks$Params) => void): VatTest_TwoSinks$Results$Promise {
    const answer = this.client.call({
      method: VatTest$Client.methods[12],
      ...(paramsFunc && { paramsFunc })
    });
    const pipeline = new $.Pipeline(VatTest_TwoSinks$Results, answer);
    return new VatTest_TwoSinks$Results$Promise(pipeline);
  }
  /**
* Answers writes only after `flow`.
*
*/
  stalledSink(paramsFunc?: (params: VatTest_StalledSink$Params) => void): VatTest_StalledSink$Results$Promise {
    const answer = this.client.call({
      method: VatTest$Client.methods[13],
      ...(paramsFunc && { paramsFunc })
    });
    const pipeline = new $.Pipeline(VatTest_StalledSink$Results, answer);
    return new VatTest_StalledSink$Results$Promise(pipeline);
  }
  flow(paramsFunc?: (params: VatTest_Flow$Params) => void): VatTest_Flow$Results$Promise {
    const answer = this.client.call({
      method: VatTest$Client.methods[14],
      ...(paramsFunc && { paramsFunc })
    });
    const pipeline = new $.Pipeline(VatTest_Flow$Results, answer);
    return new VatTest_Flow$Results$Promise(pipeline);
  }
  /**
* Ends the server's process.
*
*/
  crash(paramsFunc?: (params: VatTest_Crash$Params) => void): VatTest_Crash$Results$Promise {
    const answer = this.client.call({
      method: VatTest$Client.methods[15],
      ...(paramsFunc && { paramsFunc })
    });
    const pipeline = new $.Pipeline(VatTest_Crash$Results, answer);
    return new VatTest_Crash$Results$Promise(pipeline);
  }
  /**
* Returns nothing but defaults, as a null pointer.
*
*/
  wide(paramsFunc?: (params: VatTest_Wide$Params) => void): VatTest_Wide$Results$Promise {
    const answer = this.client.call({
      method: VatTest$Client.methods[16],
      ...(paramsFunc && { paramsFunc })
    });
    const pipeline = new $.Pipeline(VatTest_Wide$Results, answer);
    return new VatTest_Wide$Results$Promise(pipeline);
  }
  /**
* Not implemented by the server.
*
*/
  nowhere(paramsFunc?: (params: VatTest_Nowhere$Params) => void): VatTest_Nowhere$Results$Promise {
    const answer = this.client.call({
      method: VatTest$Client.methods[17],
      ...(paramsFunc && { paramsFunc })
    });
    const pipeline = new $.Pipeline(VatTest_Nowhere$Results, answer);
    return new VatTest_Nowhere$Results$Promise(pipeline);
  }
}
$.Registry.register(VatTest$Client.interfaceId, VatTest$Client);
export interface VatTest$Server$Target {
  echo(params: VatTest_Echo$Params, results: VatTest_Echo$Results): Promise<void>;
  fail(params: VatTest_Fail$Params, results: VatTest_Fail$Results): Promise<void>;
  stats(params: VatTest_Stats$Params, results: VatTest_Stats$Results): Promise<void>;
  openSession(params: VatTest_OpenSession$Params, results: VatTest_OpenSession$Results): Promise<void>;
  lateSession(params: VatTest_LateSession$Params, results: VatTest_LateSession$Results): Promise<void>;
  resolveLate(params: VatTest_ResolveLate$Params, results: VatTest_ResolveLate$Results): Promise<void>;
  same(params: VatTest_Same$Params, results: VatTest_Same$Results): Promise<void>;
  sameLate(params: VatTest_SameLate$Params, results: VatTest_SameLate$Results): Promise<void>;
  hang(params: VatTest_Hang$Params, results: VatTest_Hang$Results): Promise<void>;
  hangOn(params: VatTest_HangOn$Params, results: VatTest_HangOn$Results): Promise<void>;
  pump(params: VatTest_Pump$Params, results: VatTest_Pump$Results): Promise<void>;
  hasSink(params: VatTest_HasSink$Params, results: VatTest_HasSink$Results): Promise<void>;
  twoSinks(params: VatTest_TwoSinks$Params, results: VatTest_TwoSinks$Results): Promise<void>;
  stalledSink(params: VatTest_StalledSink$Params, results: VatTest_StalledSink$Results): Promise<void>;
  flow(params: VatTest_Flow$Params, results: VatTest_Flow$Results): Promise<void>;
  crash(params: VatTest_Crash$Params, results: VatTest_Crash$Results): Promise<void>;
  wide(params: VatTest_Wide$Params, results: VatTest_Wide$Results): Promise<void>;
  nowhere(params: VatTest_Nowhere$Params, results: VatTest_Nowhere$Results): Promise<void>;
}
export class VatTest$Server extends $.Server {
  declare readonly target: VatTest$Server$Target;
  constructor(target: VatTest$Server$Target) {
    super(target, [
      {
        ...VatTest$Client.methods[0],
        impl: target.echo
      },
      {
        ...VatTest$Client.methods[1],
        impl: target.fail
      },
      {
        ...VatTest$Client.methods[2],
        impl: target.stats
      },
      {
        ...VatTest$Client.methods[3],
        impl: target.openSession
      },
      {
        ...VatTest$Client.methods[4],
        impl: target.lateSession
      },
      {
        ...VatTest$Client.methods[5],
        impl: target.resolveLate
      },
      {
        ...VatTest$Client.methods[6],
        impl: target.same
      },
      {
        ...VatTest$Client.methods[7],
        impl: target.sameLate
      },
      {
        ...VatTest$Client.methods[8],
        impl: target.hang
      },
      {
        ...VatTest$Client.methods[9],
        impl: target.hangOn
      },
      {
        ...VatTest$Client.methods[10],
        impl: target.pump
      },
      {
        ...VatTest$Client.methods[11],
        impl: target.hasSink
      },
      {
        ...VatTest$Client.methods[12],
        impl: target.twoSinks
      },
      {
        ...VatTest$Client.methods[13],
        impl: target.stalledSink
      },
      {
        ...VatTest$Client.methods[14],
        impl: target.flow
      },
      {
        ...VatTest$Client.methods[15],
        impl: target.crash
      },
      {
        ...VatTest$Client.methods[16],
        impl: target.wide
      },
      {
        ...VatTest$Client.methods[17],
        impl: target.nowhere
      }
    ]);
    this.target = target;
  }
  client(): VatTest$Client {
    return new VatTest$Client(this);
  }
}
export class VatTest extends $.Interface {
  static readonly Client = VatTest$Client;
  static readonly Server = VatTest$Server;
  static override readonly _capnp = {
    displayName: "VatTest",
    id: "a1b654b3d5edcdfb",
    size: new $.ObjectSize(0, 0),
  };
  override toString(): string { return "VatTest_" + super.toString(); }
}
export class TestSession_Name$Params extends $.Struct {
  static override readonly _capnp = {
    displayName: "name$Params",
    id: "e0f7025375b69ccc",
    size: new $.ObjectSize(0, 0),
  };
  override toString(): string { return "TestSession_Name$Params_" + super.toString(); }
}
export class TestSession_Name$Results extends $.Struct {
  static override readonly _capnp = {
    displayName: "name$Results",
    id: "ce85b96bade56582",
    size: new $.ObjectSize(0, 1),
  };
  get id(): string {
    return $.utils.getText(0, this);
  }
  set id(value: string) {
    $.utils.setText(0, value, this);
  }
  override toString(): string { return "TestSession_Name$Results_" + super.toString(); }
}
export class TestSession_Name$Results$Promise {
  pipeline: $.Pipeline<any, any, TestSession_Name$Results>;
  constructor(pipeline: $.Pipeline<any, any, TestSession_Name$Results>) {
    this.pipeline = pipeline;
  }
  async promise(): Promise<TestSession_Name$Results> {
    return await this.pipeline.struct();
  }
}
export class TestSession_Upload$Params extends $.Struct {
  static override readonly _capnp = {
    displayName: "upload$Params",
    id: "d039619266bd4270",
    size: new $.ObjectSize(0, 0),
  };
  override toString(): string { return "TestSession_Upload$Params_" + super.toString(); }
}
export class TestSession_Upload$Results extends $.Struct {
  static override readonly _capnp = {
    displayName: "upload$Results",
    id: "940026747309de51",
    size: new $.ObjectSize(0, 1),
  };
  get sink(): TestSink$Client | null {
    const client = capabilityField(0, this);
    return client ? new TestSink$Client(client) : null;
  }
  set sink(value: TestSink$Client | null) {
    if (value) $.utils.setInterfacePointer(this.segment.message.addCap(value.client), $.utils.getPointer(0, this));
    else $.utils.erase($.utils.getPointer(0, this));
  }
  override toString(): string { return "TestSession_Upload$Results_" + super.toString(); }
}
export class TestSession_Upload$Results$Promise {
  pipeline: $.Pipeline<any, any, TestSession_Upload$Results>;
  constructor(pipeline: $.Pipeline<any, any, TestSession_Upload$Results>) {
    this.pipeline = pipeline;
  }
  getSink(): TestSink$Client {
    return new TestSink$Client(this.pipeline.getPipeline(TestSink, 0).client());
  }
  async promise(): Promise<TestSession_Upload$Results> {
    return await this.pipeline.struct();
  }
}
export class TestSession$Client {
  client: $.Client;
  static readonly interfaceId: bigint = 0xb1cf128a96154f70n;
  constructor(client: $.Client) {
    this.client = client;
  }
  static readonly methods: [
    $.Method<TestSession_Name$Params, TestSession_Name$Results>,
    $.Method<TestSession_Upload$Params, TestSession_Upload$Results>
  ] = [
    {
      ParamsClass: TestSession_Name$Params,
      ResultsClass: TestSession_Name$Results,
      interfaceId: TestSession$Client.interfaceId,
      methodId: 0,
      interfaceName: "vat-test.capnp:TestSession",
      methodName: "name"
    },
    {
      ParamsClass: TestSession_Upload$Params,
      ResultsClass: TestSession_Upload$Results,
      interfaceId: TestSession$Client.interfaceId,
      methodId: 1,
      interfaceName: "vat-test.capnp:TestSession",
      methodName: "upload"
    }
  ];
  name(paramsFunc?: (params: TestSession_Name$Params) => void): TestSession_Name$Results$Promise {
    const answer = this.client.call({
      method: TestSession$Client.methods[0],
      ...(paramsFunc && { paramsFunc })
    });
    const pipeline = new $.Pipeline(TestSession_Name$Results, answer);
    return new TestSession_Name$Results$Promise(pipeline);
  }
  upload(paramsFunc?: (params: TestSession_Upload$Params) => void): TestSession_Upload$Results$Promise {
    const answer = this.client.call({
      method: TestSession$Client.methods[1],
      ...(paramsFunc && { paramsFunc })
    });
    const pipeline = new $.Pipeline(TestSession_Upload$Results, answer);
    return new TestSession_Upload$Results$Promise(pipeline);
  }
}
$.Registry.register(TestSession$Client.interfaceId, TestSession$Client);
export interface TestSession$Server$Target {
  name(params: TestSession_Name$Params, results: TestSession_Name$Results): Promise<void>;
  upload(params: TestSession_Upload$Params, results: TestSession_Upload$Results): Promise<void>;
}
export class TestSession$Server extends $.Server {
  declare readonly target: TestSession$Server$Target;
  constructor(target: TestSession$Server$Target) {
    super(target, [
      {
        ...TestSession$Client.methods[0],
        impl: target.name
      },
      {
        ...TestSession$Client.methods[1],
        impl: target.upload
      }
    ]);
    this.target = target;
  }
  client(): TestSession$Client {
    return new TestSession$Client(this);
  }
}
export class TestSession extends $.Interface {
  static readonly Client = TestSession$Client;
  static readonly Server = TestSession$Server;
  static override readonly _capnp = {
    displayName: "TestSession",
    id: "b1cf128a96154f70",
    size: new $.ObjectSize(0, 0),
  };
  override toString(): string { return "TestSession_" + super.toString(); }
}
export class TestSink_Write$Params extends $.Struct {
  static override readonly _capnp = {
    displayName: "write$Params",
    id: "d503c863fc482d42",
    size: new $.ObjectSize(0, 1),
  };
  _adoptChunk(value: $.Orphan<$.Data>): void {
    $.utils.adopt(value, $.utils.getPointer(0, this));
  }
  _disownChunk(): $.Orphan<$.Data> {
    return $.utils.disown(this.chunk);
  }
  get chunk(): $.Data {
    return $.utils.getData(0, this);
  }
  _hasChunk(): boolean {
    return !$.utils.isNull($.utils.getPointer(0, this));
  }
  _initChunk(length: number): $.Data {
    return $.utils.initData(0, length, this);
  }
  set chunk(value: $.Data) {
    $.utils.copyFrom(value, $.utils.getPointer(0, this));
  }
  override toString(): string { return "TestSink_Write$Params_" + super.toString(); }
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
export class TestSink_Done$Params extends $.Struct {
  static override readonly _capnp = {
    displayName: "done$Params",
    id: "f9763f5ebc47c78c",
    size: new $.ObjectSize(0, 0),
  };
  override toString(): string { return "TestSink_Done$Params_" + super.toString(); }
}
export class TestSink_Done$Results extends $.Struct {
  static override readonly _capnp = {
    displayName: "done$Results",
    id: "aab546696277a1c1",
    size: new $.ObjectSize(8, 0),
  };
  get total(): bigint {
    return $.utils.getUint64(0, this);
  }
  set total(value: bigint) {
    $.utils.setUint64(0, value, this);
  }
  override toString(): string { return "TestSink_Done$Results_" + super.toString(); }
}
export class TestSink_Done$Results$Promise {
  pipeline: $.Pipeline<any, any, TestSink_Done$Results>;
  constructor(pipeline: $.Pipeline<any, any, TestSink_Done$Results>) {
    this.pipeline = pipeline;
  }
  async promise(): Promise<TestSink_Done$Results> {
    return await this.pipeline.struct();
  }
}
export class TestSink_Number$Params extends $.Struct {
  static override readonly _capnp = {
    displayName: "number$Params",
    id: "833f521b1e418125",
    size: new $.ObjectSize(8, 0),
  };
  get value(): number {
    return $.utils.getUint32(0, this);
  }
  set value(value: number) {
    $.utils.setUint32(0, value, this);
  }
  override toString(): string { return "TestSink_Number$Params_" + super.toString(); }
}
export class TestSink_Number$Results extends $.Struct {
  static override readonly _capnp = {
    displayName: "number$Results",
    id: "efd9ffdf7c45eaa8",
    size: new $.ObjectSize(8, 0),
  };
  get value(): number {
    return $.utils.getUint32(0, this);
  }
  set value(value: number) {
    $.utils.setUint32(0, value, this);
  }
  override toString(): string { return "TestSink_Number$Results_" + super.toString(); }
}
export class TestSink_Number$Results$Promise {
  pipeline: $.Pipeline<any, any, TestSink_Number$Results>;
  constructor(pipeline: $.Pipeline<any, any, TestSink_Number$Results>) {
    this.pipeline = pipeline;
  }
  async promise(): Promise<TestSink_Number$Results> {
    return await this.pipeline.struct();
  }
}
export class TestSink_Wait$Params extends $.Struct {
  static override readonly _capnp = {
    displayName: "wait$Params",
    id: "fb22155bfa09737d",
    size: new $.ObjectSize(0, 0),
  };
  override toString(): string { return "TestSink_Wait$Params_" + super.toString(); }
}
export class TestSink_Wait$Results extends $.Struct {
  static override readonly _capnp = {
    displayName: "wait$Results",
    id: "ae6295fa0c0a8497",
    size: new $.ObjectSize(0, 0),
  };
  override toString(): string { return "TestSink_Wait$Results_" + super.toString(); }
}
export class TestSink_Wait$Results$Promise {
  pipeline: $.Pipeline<any, any, TestSink_Wait$Results>;
  constructor(pipeline: $.Pipeline<any, any, TestSink_Wait$Results>) {
    this.pipeline = pipeline;
  }
  async promise(): Promise<TestSink_Wait$Results> {
    return await this.pipeline.struct();
  }
}
export class TestSink$Client {
  client: $.Client;
  static readonly interfaceId: bigint = 0xe1b801a19287a9f3n;
  constructor(client: $.Client) {
    this.client = client;
  }
  static readonly methods: [
    $.Method<TestSink_Write$Params, StreamResult>,
    $.Method<TestSink_Done$Params, TestSink_Done$Results>,
    $.Method<TestSink_Number$Params, TestSink_Number$Results>,
    $.Method<TestSink_Wait$Params, TestSink_Wait$Results>
  ] = [
    {
      ParamsClass: TestSink_Write$Params,
      ResultsClass: StreamResult,
      interfaceId: TestSink$Client.interfaceId,
      methodId: 0,
      interfaceName: "vat-test.capnp:TestSink",
      methodName: "write"
    },
    {
      ParamsClass: TestSink_Done$Params,
      ResultsClass: TestSink_Done$Results,
      interfaceId: TestSink$Client.interfaceId,
      methodId: 1,
      interfaceName: "vat-test.capnp:TestSink",
      methodName: "done"
    },
    {
      ParamsClass: TestSink_Number$Params,
      ResultsClass: TestSink_Number$Results,
      interfaceId: TestSink$Client.interfaceId,
      methodId: 2,
      interfaceName: "vat-test.capnp:TestSink",
      methodName: "number"
    },
    {
      ParamsClass: TestSink_Wait$Params,
      ResultsClass: TestSink_Wait$Results,
      interfaceId: TestSink$Client.interfaceId,
      methodId: 3,
      interfaceName: "vat-test.capnp:TestSink",
      methodName: "wait"
    }
  ];
  /**
* A chunk that begins with '!' fails.
*
*/
  write(paramsFunc?: (params: TestSink_Write$Params) => void): StreamResult$Promise {
    const answer = this.client.call({
      method: TestSink$Client.methods[0],
      ...(paramsFunc && { paramsFunc })
    });
    const pipeline = new $.Pipeline(StreamResult, answer);
    return new StreamResult$Promise(pipeline);
  }
  done(paramsFunc?: (params: TestSink_Done$Params) => void): TestSink_Done$Results$Promise {
    const answer = this.client.call({
      method: TestSink$Client.methods[1],
      ...(paramsFunc && { paramsFunc })
    });
    const pipeline = new $.Pipeline(TestSink_Done$Results, answer);
    return new TestSink_Done$Results$Promise(pipeline);
  }
  number(paramsFunc?: (params: TestSink_Number$Params) => void): TestSink_Number$Results$Promise {
    const answer = this.client.call({
      method: TestSink$Client.methods[2],
      ...(paramsFunc && { paramsFunc })
    });
    const pipeline = new $.Pipeline(TestSink_Number$Results, answer);
    return new TestSink_Number$Results$Promise(pipeline);
  }
  wait(paramsFunc?: (params: TestSink_Wait$Params) => void): TestSink_Wait$Results$Promise {
    const answer = this.client.call({
      method: TestSink$Client.methods[3],
      ...(paramsFunc && { paramsFunc })
    });
    const pipeline = new $.Pipeline(TestSink_Wait$Results, answer);
    return new TestSink_Wait$Results$Promise(pipeline);
  }
}
$.Registry.register(TestSink$Client.interfaceId, TestSink$Client);
export interface TestSink$Server$Target {
  write(params: TestSink_Write$Params, results: StreamResult): Promise<void>;
  done(params: TestSink_Done$Params, results: TestSink_Done$Results): Promise<void>;
  number(params: TestSink_Number$Params, results: TestSink_Number$Results): Promise<void>;
  wait(params: TestSink_Wait$Params, results: TestSink_Wait$Results): Promise<void>;
}
export class TestSink$Server extends $.Server {
  declare readonly target: TestSink$Server$Target;
  constructor(target: TestSink$Server$Target) {
    super(target, [
      {
        ...TestSink$Client.methods[0],
        impl: target.write
      },
      {
        ...TestSink$Client.methods[1],
        impl: target.done
      },
      {
        ...TestSink$Client.methods[2],
        impl: target.number
      },
      {
        ...TestSink$Client.methods[3],
        impl: target.wait
      }
    ]);
    this.target = target;
  }
  client(): TestSink$Client {
    return new TestSink$Client(this);
  }
}
export class TestSink extends $.Interface {
  static readonly Client = TestSink$Client;
  static readonly Server = TestSink$Server;
  static override readonly _capnp = {
    displayName: "TestSink",
    id: "e1b801a19287a9f3",
    size: new $.ObjectSize(0, 0),
  };
  override toString(): string { return "TestSink_" + super.toString(); }
}
