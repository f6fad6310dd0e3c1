import { style } from "./page-style.ts";
import { countStates, marks, type Report, type RowReport, type ScenarioResult } from "./report.ts";

/** The report as a page that needs nothing but itself. */
export function pageOf(report: Report): string {
  const rows = report.groups.flatMap((group) => group.rows);
  const counts = countStates(report);
  const tiles = [...counts].map(([state, count]) => `<li class="${classOf(state)}"><b>${count}</b> ${state}</li>`);
  const title = titleOf(rows);
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${title} · zero-trust-grpc</title>
<style>${style}</style>
</head>
<body>
<header>
<h1>${title}</h1>
<p>${rows.length} attacks and faults, against the services as ${report.driver}, ${escaped(report.startedAt.slice(0, 16).replace("T", " "))} UTC, in ${seconds(report.durationMs)}.</p>
<ul class="tiles">${tiles.join("")}</ul>
<nav>${report.groups.map(({ id, title }) => `<a href="#${id}">${escaped(title)}</a>`).join("")}</nav>
</header>
<main>
${report.groups.map(section).join("\n")}
</main>
<footer>
<p><b>T</b>: refused in the TLS handshake; the caller sees UNAVAILABLE, and the connection log has it. A row is held when all of its tests
passed and everything that it expects was seen. Each refusal was found in the service's log, nothing had happened by the
services' databases, and the same call done right was let in.</p>
</footer>
</body>
</html>
`;
}

function titleOf(rows: readonly RowReport[]): string {
  const open = rows.filter(({ state }) => state === "open").length;
  if (open > 0) return `${open} of ${rows.length} doors ${open === 1 ? "is" : "are"} open`;
  return rows.some(({ state }) => state === "not run") ? "Every door that was tried is shut" : "Every door is shut";
}

function section({ id, title, rows }: Report["groups"][number]): string {
  const head = ["", "Attack or fault", "Expected", "Observed", "Time", "Threat · defence"];
  return `<section id="${id}">
<h2>${escaped(title)}</h2>
<table>
<thead><tr>${head.map((text) => `<th scope="col">${text}</th>`).join("")}</tr></thead>
<tbody>
${rows.map(tableRow).join("\n")}
</tbody>
</table>
</section>`;
}

function tableRow(row: RowReport): string {
  const { id, attack, expected, observed, state, durationMs, tests } = row;
  const cells = [
    `<th scope="row"><span class="mark" title="${state}">${marks[state]}</span>${id}</th>`,
    `<td class="attack">${escaped(attack)}${details(tests)}</td>`,
    `<td data-label="Expected">${list(expected)}</td>`,
    `<td data-label="Observed">${tests.length === 0 ? `<span class="quiet">${state}</span>` : list(observed)}</td>`,
    `<td data-label="Time" class="time">${tests.length === 0 ? "" : seconds(durationMs)}</td>`,
    `<td data-label="Threat · defence" class="links">${links(row)}</td>`,
  ];
  return `<tr id="${id}" data-row="${id}" class="${classOf(state)}">${cells.join("")}</tr>`;
}

/** What each test has seen, folded away. */
function details(tests: readonly ScenarioResult[]): string {
  if (tests.length === 0) return "";
  const lines = tests.map(({ claim, passed, observations }) => {
    const seen = observations.map(
      ({ what, expected, observed }) =>
        `<li${observed === expected ? "" : ' class="wrong"'}>${escaped(what)} → <code>${escaped(observed)}</code></li>`,
    );
    const failed = passed ? "" : '<li class="wrong">failed; the terminal says why</li>';
    return `<li>${escaped(claim)}<ul>${seen.join("")}${failed}</ul></li>`;
  });
  const count = tests.reduce((sum, { observations }) => sum + observations.length, 0);
  return `<details><summary>${count} observation${count === 1 ? "" : "s"}</summary><ul>${lines.join("")}</ul></details>`;
}

function links({ threats, defences }: RowReport): string {
  const toThreats = threats.map(
    (id) => `<a href="../../docs/threat-model.md#${encodeURIComponent(id)}">${escaped(id)}</a>`,
  );
  const toFiles = defences.map(
    (file) => `<a href="../../${encodeURI(file)}">${escaped(file.split("/").at(-1) ?? file)}</a>`,
  );
  return [...toThreats, ...toFiles].join(" · ");
}

const list = (values: readonly string[]): string => values.map((value) => `<code>${escaped(value)}</code>`).join(" ");
const classOf = (state: RowReport["state"]): string => state.replaceAll(" ", "-");
const seconds = (ms: number): string => (ms < 100 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`);

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");
}
