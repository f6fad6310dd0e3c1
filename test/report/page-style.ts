/** How the report looks: light and dark, and one row a card where the window is narrow. */
export const style: string = `
:root { --paper: #fff; --ink: #1c2024; --quiet: #5b6470; --line: #dde1e6; --band: #f5f7f9; --held: #18713f; --open: #b42318; --link: #0b5cad; }
@media (prefers-color-scheme: dark) {
  :root { --paper: #14171a; --ink: #e6e9ec; --quiet: #9aa4b0; --line: #2c3238; --band: #1c2024; --held: #5fd08f; --open: #ff8a7d; --link: #7cb8ff; }
}
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 78rem; padding: 1.5rem; background: var(--paper); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
h1 { margin: 0; font-size: 1.8rem; letter-spacing: -0.01em; }
h2 { margin: 2.5rem 0 0.5rem; font-size: 1.2rem; }
a { color: var(--link); text-decoration: none; }
a:hover, a:focus-visible { text-decoration: underline; }
p { margin: 0.3rem 0 1rem; color: var(--quiet); max-width: 90ch; }
ul { margin: 0; padding: 0; list-style: none; }
code { font: 0.82em/1.5 ui-monospace, monospace; background: var(--band); border-radius: 4px; padding: 0.1em 0.4em; overflow-wrap: anywhere; }
nav { display: flex; flex-wrap: wrap; gap: 0.3rem 1.2rem; }
.tiles { display: flex; flex-wrap: wrap; gap: 0.6rem; margin-bottom: 1rem; }
.tiles li { border: 1px solid var(--line); border-radius: 8px; padding: 0.3rem 0.9rem; color: var(--quiet); }
.tiles b { font-size: 1.3rem; color: var(--ink); margin-right: 0.2rem; }
.tiles .held b, .held .mark { color: var(--held); }
.tiles .open b, .open .mark, .wrong { color: var(--open); }
table { width: 100%; border-collapse: collapse; table-layout: fixed; }
th, td { text-align: left; vertical-align: top; padding: 0.5rem 0.6rem; border-bottom: 1px solid var(--line); }
thead th { color: var(--quiet); font-size: 0.8rem; font-weight: 600; }
tbody th { white-space: nowrap; }
.mark { display: inline-block; width: 1.3em; font-weight: 700; color: var(--quiet); }
.open { background: color-mix(in srgb, var(--open) 8%, transparent); }
.tiles .open { background: none; }
thead th:nth-child(1) { width: 5rem; }
thead th:nth-child(2) { width: 32%; }
thead th:nth-child(5) { width: 5rem; }
td code { display: block; width: fit-content; margin-bottom: 0.2rem; }
details code { display: inline; }
.time { white-space: nowrap; color: var(--quiet); font-variant-numeric: tabular-nums; }
.links { font-size: 0.85rem; overflow-wrap: anywhere; }
.quiet, summary { color: var(--quiet); }
details { font-size: 0.85rem; margin-top: 0.2rem; }
summary { cursor: pointer; width: fit-content; }
details ul { padding-left: 1rem; }
details > ul { padding-left: 0; }
footer { margin-top: 2.5rem; border-top: 1px solid var(--line); padding-top: 1rem; font-size: 0.85rem; }
@media (max-width: 50rem) {
  body { padding: 1rem; }
  thead { display: none; }
  table, tbody, tr, th, td { display: block; width: auto; }
  tr { border: 1px solid var(--line); border-radius: 8px; margin-bottom: 0.8rem; padding: 0.6rem 0.8rem; }
  th, td { border: 0; padding: 0.15rem 0; width: auto; }
  td[data-label]::before { content: attr(data-label) ": "; color: var(--quiet); font-size: 0.8rem; }
  td code { display: inline; }
  td:empty { display: none; }
}
@media print { nav, details { display: none; } }
`;
