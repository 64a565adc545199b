// Makes the variants of each file that standard input lists as JSON, with sharp.
// Prints the milliseconds of each file, or its error.

import { createRequire } from 'node:module'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'

const [modules, outputs] = process.argv.slice(2)
const sharp = createRequire(join(modules, 'node_modules/'))('sharp')

sharp.concurrency(1)
sharp.cache(false)

const variants = {
  thumbnail: (image) =>
    image.flatten({ background: '#ffffff' }).resize(200, 200, { fit: 'cover' }).jpeg({ quality: 80 }),
  512: (image) => preview(image, 512),
  1024: (image) => preview(image, 1024)
}

function preview (image, side) {
  return image.resize(side, side, { fit: 'inside', withoutEnlargement: true }).webp({ quality: 80 })
}

const results = {}
for (const { name, path } of JSON.parse(await text(process.stdin))) {
  const start = performance.now()
  try {
    for (const [variant, make] of Object.entries(variants)) {
      await make(sharp(path).autoOrient()).toFile(join(outputs, `${name}.${variant}`))
    }
    results[name] = { milliseconds: performance.now() - start }
  } catch (error) {
    results[name] = { error: error.message }
  }
}
console.log(JSON.stringify(results))
