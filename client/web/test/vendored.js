/**
 * Builds src/uqr.js for `npm run vendor`: the QR encoder of the uqr package in one file, with its
 * licence.
 *
 * @module
 */

import { readFile } from 'node:fs/promises';
import { argv } from 'node:process';
import { fileURLToPath } from 'node:url';

import { build } from 'esbuild';

const PACKAGE = new URL('../node_modules/uqr/', import.meta.url);

/** @returns {Promise<string>} */
export async function vendored() {
  const { version, license } = JSON.parse(await readFile(new URL('package.json', PACKAGE), 'utf8'));
  const notice = (await readFile(new URL('LICENSE', PACKAGE), 'utf8')).trim();
  const { outputFiles } = await build({
    stdin: { contents: "export { encode } from 'uqr';", resolveDir: fileURLToPath(PACKAGE) },
    bundle: true,
    minify: true,
    format: 'esm',
    target: 'es2022',
    write: false,
  });
  const [bundle] = outputFiles;
  if (!bundle) throw new Error('esbuild wrote nothing');
  const heading = `uqr ${version} (${license}), made by \`npm run vendor\`; not to be edited.`;
  return `// @ts-nocheck\n/*!\n${heading}\n\n${notice}\n*/\n${bundle.text}`;
}

if (argv[1] === fileURLToPath(import.meta.url)) process.stdout.write(await vendored());
