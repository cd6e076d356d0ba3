// A picture's file to its pixels as they are stored, or as near to it as the browser lets us.

/** A blob to {width, height, data: RGBA bytes, notes: sentences}. */
export async function decode(blob) {
  const bitmap = await createImageBitmap(await asStored(blob), {
    colorSpaceConversion: "none",
    premultiplyAlpha: "none",
  });
  const { width, height } = bitmap;
  const notes = [];
  let data = throughCanvas(bitmap);
  // A canvas multiplies colours with their alpha, and cannot wholly undo it.
  if (data.some((value, place) => place % 4 === 3 && value < 255)) {
    const exact = throughWebGl(bitmap);
    if (exact) data = exact;
    else notes.push("This browser blends transparent pixels; their colours are approximate.");
  }
  bitmap.close();
  return { width, height, data, notes };
}

/** The file without the EXIF that would turn its pixels: they are to be read as stored. */
async function asStored(blob) {
  const bytes = new Uint8Array(await blob.arrayBuffer());
  return new Blob(withoutExif(bytes), { type: blob.type });
}

/** A JPEG's parts without its EXIF segments; of another file the whole. */
export function withoutExif(bytes) {
  if (bytes[0] !== 0xff || bytes[1] !== 0xd8) return [bytes];
  const kept = [bytes.subarray(0, 2)];
  let place = 2;
  while (place + 4 <= bytes.length && bytes[place] === 0xff && bytes[place + 1] !== 0xda) {
    const end = place + 2 + ((bytes[place + 2] << 8) | bytes[place + 3]);
    const name = String.fromCharCode(...bytes.subarray(place + 4, place + 8));
    if (!(bytes[place + 1] === 0xe1 && name === "Exif")) kept.push(bytes.subarray(place, end));
    place = end;
  }
  return [...kept, bytes.subarray(place)];
}

function throughCanvas(bitmap) {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [bitmap.width, bitmap.height];
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(bitmap, 0, 0);
  return context.getImageData(0, 0, bitmap.width, bitmap.height).data;
}

/** The bytes of a texture, which nothing multiplies; null where there is no WebGL for it. */
function throughWebGl(bitmap) {
  const gl = document.createElement("canvas").getContext("webgl");
  if (!gl || Math.max(bitmap.width, bitmap.height) > gl.getParameter(gl.MAX_TEXTURE_SIZE)) {
    return null;
  }
  gl.bindTexture(gl.TEXTURE_2D, gl.createTexture());
  gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, gl.RGBA, gl.UNSIGNED_BYTE, bitmap);
  gl.bindFramebuffer(gl.FRAMEBUFFER, gl.createFramebuffer());
  gl.framebufferTexture2D(
    gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0, gl.TEXTURE_2D, gl.getParameter(gl.TEXTURE_BINDING_2D), 0,
  );
  const whole = gl.checkFramebufferStatus(gl.FRAMEBUFFER) === gl.FRAMEBUFFER_COMPLETE;
  const data = new Uint8ClampedArray(bitmap.width * bitmap.height * 4);
  if (whole) gl.readPixels(0, 0, bitmap.width, bitmap.height, gl.RGBA, gl.UNSIGNED_BYTE, data);
  const failed = gl.getError() !== gl.NO_ERROR;
  gl.getExtension("WEBGL_lose_context")?.loseContext();
  return whole && !failed ? data : null;
}
