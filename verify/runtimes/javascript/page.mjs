// Takes frames from the server of this page and brings it their answers, until it says no more.

import * as litert from "@litertjs/core";
import { answering } from "./answering.mjs";

// It stays open while the page lives: by its end the server knows that the page is gone.
fetch("alive");

const readModel = async () => new Uint8Array(await (await fetch("model")).arrayBuffer());
const answer = answering(litert, new URL("core/wasm/", location.href).href, readModel);

let last = new Uint8Array();
for (;;) {
  const reply = await fetch("exchange", { method: "POST", body: last });
  if (!reply.ok) break;
  last = await answer(new Uint8Array(await reply.arrayBuffer()));
}
