// Opens pages in Chromium, light and dark, wide and narrow, and prints what is wrong with each, a line of JSON each.
//
// node browser.mjs NODE_MODULES PICTURES URL…
import { createRequire } from 'node:module';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';

const [modules, pictures, ...pages] = process.argv.slice(2);
const require = createRequire(path.join(modules, 'x.js'));
const puppeteer = require('puppeteer-core');
const { HtmlValidate } = require('html-validate');
const axe = fs.readFileSync(path.join(modules, 'axe-core', 'axe.min.js'), 'utf8');
const rules = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
const profile = fs.mkdtempSync(path.join(os.tmpdir(), 'webmon-browser-'));
const browser = await puppeteer.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  headless: true,
  userDataDir: profile,
  args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking', '--disable-component-update', '--disable-sync', '--no-first-run'],
});
const validator = new HtmlValidate({
  extends: ['html-validate:standard'],
  // Style of writing, not validity; the page is written for machines.
  rules: { 'no-trailing-whitespace': 'off', 'long-title': 'off', 'void-style': 'off', 'attr-quotes': 'off', 'no-inline-style': 'error', 'doctype-style': 'off' },
});

async function open(url, theme, width, bypass) {
  const page = await browser.newPage();
  const said = [];
  const requests = [];
  page.on('console', (message) => said.push(message.text()));
  page.on('pageerror', (error) => said.push(String(error)));
  page.on('request', (request) => requests.push(request.url()));
  await page.setBypassCSP(bypass);
  await page.setViewport({ width, height: 900 });
  await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: theme }]);
  await page.goto(url, { waitUntil: 'load' });
  return { page, said, requests };
}

for (const [number, url] of pages.entries()) {
  for (const theme of ['light', 'dark']) {
    for (const width of [1000, 360]) {
      const seen = await open(url, theme, width, false);
      const sideways = await seen.page.evaluate(() => document.documentElement.scrollWidth > innerWidth);
      const styled = await seen.page.evaluate(() => getComputedStyle(document.body).maxWidth !== 'none');
      const picture = path.join(pictures, `${number}-${theme}-${width}.png`);
      await seen.page.screenshot({ path: picture, fullPage: true });
      const others = seen.requests.filter((other) => other !== url && !other.startsWith('data:'));
      const html = await seen.page.evaluate(async () => document.documentElement.outerHTML.length);
      await seen.page.close();
      const judged = await open(url, theme, width, true);
      await judged.page.evaluate(axe);
      const { violations } = await judged.page.evaluate((only) => axe.run(document, { runOnly: only }), rules);
      await judged.page.close();
      console.log(JSON.stringify({
        url, theme, width, bytes: html, sideways, styled, others, said: seen.said,
        violations: violations.map((fault) => `${fault.id}: ${fault.nodes.map((node) => node.target.join(' ')).slice(0, 3).join(', ')}`),
      }));
    }
  }
  const source = url.startsWith('file:') ? fs.readFileSync(new URL(url), 'utf8') : await (await fetch(url)).text();
  const report = await validator.validateString(source);
  const invalid = report.results.flatMap((result) => result.messages.map((fault) => `${fault.ruleId}: ${fault.message} (${fault.line}:${fault.column})`));
  console.log(JSON.stringify({ url, invalid: [...new Set(invalid)].slice(0, 20) }));
}
await browser.close();
fs.rmSync(profile, { recursive: true, force: true });
