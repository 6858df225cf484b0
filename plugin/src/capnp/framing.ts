// Between WebSocket frames and Cap'n Proto messages. A frame holds one or more messages back to back.

import { Message } from "capnp-es";

/** Bytes of the longest frame that is accepted. */
export const MAX_FRAME = 64 << 20;

/** As in the C++ library. The segment count is checked first because capnp-es allocates as many as it says. */
const MAX_SEGMENTS = 512;

/** capnp-es' ArenaKind.MULTI_SEGMENT, which it does not export. */
const MULTI_SEGMENT = 1;

/** From this length on a message is not copied out of a frame that holds nothing else. */
const MOVED = 64 << 10;

/** Thrown for bytes that are not a row of well-framed messages. */
export class FramingError extends Error {
  override readonly name = "FramingError";
}

/** The messages of a frame. All lengths are checked before anything is allocated or parsed. */
export function splitFrame(frame: ArrayBuffer): Message[] {
  if (frame.byteLength > MAX_FRAME) throw new FramingError(`frame of ${frame.byteLength} bytes`);
  if (frame.byteLength === 0) throw new FramingError("empty frame");
  const view = new DataView(frame);
  const messages: Message[] = [];
  let at = 0;
  while (at < frame.byteLength) {
    const rest = frame.byteLength - at;
    if (rest < 16) throw new FramingError("truncated message");
    const count = view.getUint32(at, true) + 1;
    if (count > MAX_SEGMENTS) throw new FramingError(`message of ${count} segments`);
    const header = (4 + 4 * count + 7) & ~7;
    if (header > rest) throw new FramingError("truncated segment table");
    const buffers: ArrayBuffer[] = [];
    const ends: number[] = [];
    let end = at + header;
    for (let i = 0; i < count; i++) {
      end += 8 * view.getUint32(at + 4 + 4 * i, true);
      if (end > frame.byteLength) throw new FramingError("segment reaches beyond its frame");
      ends.push(end);
    }
    if (count === 1 && at === 0 && end === frame.byteLength && end >= MOVED) {
      // Nobody else needs the frame: its content moves to the front, and the end of it stands there twice.
      new Uint8Array(frame).copyWithin(0, header);
      buffers.push(frame);
    } else {
      let start = at + header;
      for (const stop of ends) {
        buffers.push(frame.slice(start, stop));
        start = stop;
      }
    }
    if (buffers[0]?.byteLength === 0) throw new FramingError("message without a root");
    messages.push(new Message({ kind: MULTI_SEGMENT, buffers }));
    at = end;
  }
  return messages;
}

/** The given messages' bytes in one frame. */
export function joinFrame(messages: readonly Uint8Array[], byteLength: number): Uint8Array {
  const only = messages[0];
  if (messages.length === 1 && only) return only;
  const frame = new Uint8Array(byteLength);
  let at = 0;
  for (const message of messages) {
    frame.set(message, at);
    at += message.byteLength;
  }
  return frame;
}
