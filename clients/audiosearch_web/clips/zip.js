/** A zip archive of files as they are: audio hardly gets smaller by packing. */

const UTF8_NAMES = 0x0800;
const VERSION = 20;
const LOCAL = 0x04034b50, CENTRAL = 0x02014b50, END = 0x06054b50;

const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit += 1) value = value & 1 ? 0xedb88320 ^ (value >>> 1) : value >>> 1;
  return value;
});

function checksum(bytes) {
  let value = 0xffffffff;
  for (const byte of bytes) value = TABLE[(value ^ byte) & 0xff] ^ (value >>> 8);
  return (value ^ 0xffffffff) >>> 0;
}

/** Little-endian numbers, each given as `[bytes, value]`. */
function record(...fields) {
  const view = new DataView(new ArrayBuffer(fields.reduce((sum, [size]) => sum + size, 0)));
  let at = 0;
  for (const [size, value] of fields) {
    if (size === 2) view.setUint16(at, value, true);
    else view.setUint32(at, value, true);
    at += size;
  }
  return view.buffer;
}

export class Zip {
  #parts = [];
  #central = [];
  #names = new Set();
  #at = 0;

  /** Adds a file; a second one of the same name gets a number. */
  async add(name, blob) {
    const called = new TextEncoder().encode(this.#free(name.replace(/[\\/:*?"<>|]/g, "_")));
    const sum = checksum(new Uint8Array(await blob.arrayBuffer()));
    const about = [
      ...[[2, VERSION], [2, UTF8_NAMES], [2, 0], [2, 0], [2, 0x21], [4, sum]],
      ...[[4, blob.size], [4, blob.size], [2, called.length], [2, 0]],
    ];
    this.#parts.push(record([4, LOCAL], ...about), called, blob);
    this.#central.push(
      record([4, CENTRAL], [2, VERSION], ...about, [2, 0], [2, 0], [2, 0], [4, 0], [4, this.#at]),
      called,
    );
    this.#at += 30 + called.length + blob.size;
  }

  /** The archive. */
  get blob() {
    const size = this.#central.reduce((sum, part) => sum + part.byteLength, 0);
    const count = this.#names.size;
    const end = record(
      ...[[4, END], [2, 0], [2, 0], [2, count], [2, count], [4, size], [4, this.#at], [2, 0]],
    );
    return new Blob([...this.#parts, ...this.#central, end], { type: "application/zip" });
  }

  #free(name) {
    const [, stem, ending] = name.match(/^(.*?)(\.[A-Za-z0-9]{1,5})?$/s);
    let free = name;
    for (let number = 2; this.#names.has(free); number += 1) {
      free = `${stem} ${number}${ending ?? ""}`;
    }
    this.#names.add(free);
    return free;
  }
}
