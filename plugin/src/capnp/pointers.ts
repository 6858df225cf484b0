// Reading structs and capabilities out of messages, where capnp-es takes too much for granted.

import { type Client, Interface, Message, type Pipeline, type Pointer, PointerType, Struct, type StructCtor, utils }
  from "capnp-es";

/** One step into an answer: a pointer field of a struct. */
export type PipelineOp = ReturnType<Pipeline<Struct, Struct, Struct>["transform"]>[number];
export type Path = readonly PipelineOp[];

export const pathKey = (path: Path): string => path.map((op) => op.field).join(".");

/** The struct behind a pointer, with every field that its class knows, whatever the sender's version of the schema. */
export function readStruct<T extends Struct>(Class: StructCtor<T>, pointer: Pointer): T {
  if (utils.isNull(pointer)) return new Message().initRoot(Class);
  utils.validate(PointerType.STRUCT, pointer);
  const struct = new Class(pointer.segment, pointer.byteOffset, pointer._capnp.depthLimit);
  const there = utils.getTargetStructSize(struct);
  const known = Class._capnp.size;
  if (there.dataByteLength < known.dataByteLength || there.pointerLength < known.pointerLength) {
    utils.resize(known, struct);
  }
  return struct;
}

/** The capability at the end of a path, null when there is none. */
export function capabilityAt(root: Pointer, path: Path): Client | null {
  const slot = slotAt(root, path);
  return slot ? (slot.table[slot.index] ?? null) : null;
}

/** Puts another client in the place of the capability at the end of a path, for all who read this message. */
export function replaceCapability(root: Pointer, path: Path, client: Client): void {
  const slot = slotAt(root, path);
  if (slot) slot.table[slot.index] = client;
}

/**
 * A struct's capability field, null when it is not set. Generated code calls this instead of capnp-es' getter, which
 * reads an unset field as entry 0 of the message's table: somebody else's capability.
 */
export function capabilityField(index: number, struct: Struct): Client | null {
  return index < utils.getSize(struct).pointerLength ? capabilityAt(utils.getPointer(index, struct), []) : null;
}

function slotAt(root: Pointer, path: Path): { table: (Client | null)[]; index: number } | undefined {
  let pointer = root;
  for (const { field } of path) {
    if (utils.isNull(pointer) || utils.getTargetPointerType(pointer) !== PointerType.STRUCT) return undefined;
    const struct = pointer instanceof Struct ? pointer
      : new Struct(pointer.segment, pointer.byteOffset, pointer._capnp.depthLimit);
    if (field >= utils.getSize(struct).pointerLength) return undefined;
    pointer = utils.getPointer(field, struct);
  }
  if (utils.isNull(pointer)) return undefined;
  const capability = Interface.fromPointer(pointer);
  const table = pointer.segment.message._capnp.capTable;
  const index = capability?.getCapId() ?? -1;
  return table && index >= 0 && index < table.length ? { table, index } : undefined;
}
