// Makes the variants of each file that standard input lists as JSON, with sharp.
// Prints as JSON what each file needed, or its error.
// Arguments: the folder of sharp's modules, the folder of the results, and the variants (default: all).

import { createRequire } from 'node:module'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'

const [modules, outputs, ...wanted] = process.argv.slice(2)
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

async function makeVariants (path, name) {
  for (const [variant, make] of Object.entries(variants)) {
    if (wanted.length === 0 || wanted.includes(variant)) {
      await make(sharp(path).autoOrient()).toFile(join(outputs, `${name}.${variant}`))
    }
  }
}

const results = {}
for (const { name, path } of JSON.parse(await text(process.stdin))) {
  const start = performance.now()
  const startCpu = process.cpuUsage()
  try {
    await makeVariants(path, name)
    const { user, system } = process.cpuUsage(startCpu)
    results[name] = {
      milliseconds: performance.now() - start,
      cpu_milliseconds: (user + system) / 1_000,
      peak_kilobytes: process.resourceUsage().maxRSS
    }
  } catch (error) {
    results[name] = { error: error.message }
  }
}
console.log(JSON.stringify(results))
