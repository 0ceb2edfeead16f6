// Takes a picture of each page, on a desk and a phone, light and dark, and lets axe-core judge it.
// Exit code 1 where axe finds something, the page logs an error, asks another host, or is wider than the screen.
const { chromium } = require("playwright-core");
const fs = require("fs");
const path = require("path");

const [folder, browser] = process.argv.slice(2);
const axe = fs.readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
const quiet = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync"];

(async () => {
  const running = await chromium.launch({ executablePath: browser, args: quiet });
  let wrong = 0;
  for (const file of fs.readdirSync(folder).filter(name => name.endsWith(".html"))) {
    for (const colorScheme of ["light", "dark"]) {
      for (const [device, width, height] of [["desk", 1280, 900], ["phone", 390, 844]]) {
        const page = await running.newPage({ viewport: { width, height }, colorScheme });
        const found = [];
        page.on("console", message => message.type() === "error" && found.push(message.text()));
        page.on("pageerror", error => found.push(String(error)));
        page.on("request", request => request.url().startsWith("file:") || found.push(`asks ${request.url()}`));
        await page.goto(`file://${path.resolve(folder, file)}`);
        await page.addScriptTag({ content: axe });
        const { violations } = await page.evaluate(() => axe.run());
        found.push(...violations.map(one => `${one.id}: ${one.nodes[0].target} (${one.nodes.length})`));
        const over = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
        if (over > 0) found.push(`${over} pixels wider than the screen`);
        const picture = path.join(folder, `${path.parse(file).name}-${device}-${colorScheme}.png`);
        await page.screenshot({ path: picture, fullPage: true });
        console.log(`${picture}: ${found.length ? found.join("; ") : "fine"}`);
        wrong += found.length;
        await page.close();
      }
    }
  }
  await running.close();
  process.exit(wrong ? 1 : 0);
})();
