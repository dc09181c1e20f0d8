"""Hold the style sheet of the HTML report: one column on a phone, two on a desktop, light or dark."""

STYLE = """
:root{color-scheme:light dark;--paper:#fff;--card:#f6f7f9;--ink:#1b1f24;--soft:#5d6673;--rule:#dfe3e8;
--good:#0a7a45;--good-card:#e5f5ec;--bad:#c02626;--bad-card:#fdeceb;
--a:#8a93a0;--b:#2563c9;--c:#0a8f57;--d:#d13a2f;--e:#8b45c9;--f:#c2700c}
@media(prefers-color-scheme:dark){:root{--paper:#14171b;--card:#1d2127;--ink:#e9ecf0;--soft:#9aa4b1;--rule:#323942;
--good:#4cc38a;--good-card:#12291f;--bad:#ff7b72;--bad-card:#331b1b;
--a:#8b95a2;--b:#6ea6ff;--c:#4cc38a;--d:#ff7b72;--e:#c493f5;--f:#f0a848}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:1180px;padding:28px 20px 48px;background:var(--paper);color:var(--ink);
font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif;font-variant-numeric:tabular-nums}
header p{margin:0;color:var(--soft);overflow-wrap:anywhere}
h1{margin:2px 0 4px;font-size:clamp(30px,6vw,46px);line-height:1.15;letter-spacing:-.02em;color:var(--bad)}
.good h1{color:var(--good)}
h2{font-size:17px;margin:34px 0 10px}
.sums{display:grid;grid-template-columns:repeat(4,1fr);gap:12px;margin:20px 0 0;padding:0}
.sums div{background:var(--bad-card);border-radius:10px;padding:12px 14px}
.sums .same{background:var(--good-card)}
.sums dt{color:var(--soft);font-size:13px}.sums dd{margin:0;font-size:24px;font-weight:650;line-height:1.25}
.sums small{display:block;font-size:12.5px;font-weight:400;color:var(--soft)}
.reasons{margin:18px 0 0;padding:12px 16px 12px 34px;border-radius:10px;background:var(--bad-card)}
.notes{margin:16px 0 0;padding-left:18px;color:var(--soft)}
li{overflow-wrap:anywhere}
.pair{display:grid;grid-template-columns:1fr 1fr;gap:16px;align-items:start}
.pair>*{min-width:0}
figure,.card{margin:0;background:var(--card);border-radius:10px;padding:14px 16px}
figcaption,h3{font-size:15px;font-weight:600;margin:0}
.legend{display:flex;flex-wrap:wrap;gap:2px 16px;min-height:24px;font-size:13px;color:var(--soft)}
.key::before{content:"";display:inline-block;width:14px;height:3px;margin-right:6px;border-radius:2px;
vertical-align:middle;background:var(--hue)}
.a{--hue:var(--a)}.b{--hue:var(--b)}.c{--hue:var(--c)}.d{--hue:var(--d)}.e{--hue:var(--e)}.f{--hue:var(--f)}
svg{display:block;width:100%;height:auto;margin-top:4px}
svg text{fill:var(--soft);font-size:11.5px}
.rule{stroke:var(--rule);stroke-width:1}
.line{fill:none;stroke:var(--hue);stroke-width:1.8;stroke-linejoin:round;stroke-linecap:round}
.line.a{stroke-width:4;opacity:.55}
table{width:100%;border-collapse:collapse}
th,td{padding:5px 0 5px 12px;text-align:right;border-top:1px solid var(--rule);font-weight:400}
td:not(:first-child){white-space:nowrap}
th:first-child,td:first-child{text-align:left;padding-left:0;overflow-wrap:anywhere}
tbody:first-child tr:first-child td{border:0}
thead th{border:0;color:var(--soft);font-size:13px}
.wide{overflow-x:auto}
.bar{display:grid;grid-template-columns:84px 1fr 74px;gap:10px;align-items:center;padding:4px 0}
.bar i{height:14px;border-radius:3px;background:var(--b);min-width:2px}.bar.own i{background:var(--f)}
.bar b{font-weight:400;text-align:right}
.card p{margin:10px 0 0;color:var(--soft);font-size:13.5px}
@media(max-width:700px){body{padding:20px 14px 40px}.pair{grid-template-columns:1fr}.sums{grid-template-columns:1fr 1fr}
.sums dd{font-size:20px}figure,.card{padding:12px}svg text{font-size:14px}.line{stroke-width:2.2}}
"""
