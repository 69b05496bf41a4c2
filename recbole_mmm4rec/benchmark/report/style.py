"""How the page looks: on a wide screen, on a narrow one, and on paper."""

STYLE = """
:root{color-scheme:light;--ink:#222;--soft:#5c5c5c;--line:#d9d9d9;--shade:#f5f5f3}
*{box-sizing:border-box}
body{margin:0 auto;padding:1.5rem clamp(.75rem,3vw,2.5rem) 4rem;max-width:1320px;
 color:var(--ink);background:#fff;
 font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Liberation Sans",Arial,sans-serif;
 overflow-wrap:break-word}
h1{font-size:1.75rem;line-height:1.2;margin:.2rem 0 .8rem}
h2{font-size:1.3rem;line-height:1.25;margin:2.6rem 0 .6rem;padding-top:.5rem;border-top:2px solid var(--ink)}
h3{font-size:.9rem;font-weight:600;margin:0 0 .15rem}
p{margin:.4rem 0;max-width:75ch}
nav{font-size:.9rem;margin:0 0 1rem}
nav ul{display:flex;flex-wrap:wrap;gap:.2rem 1rem;list-style:none;margin:0;padding:0}
a{color:#0b5394}
figure{margin:1.2rem 0 2rem}
figcaption{font-weight:600;max-width:85ch;margin-bottom:.45rem}
.notes{color:var(--soft);font-size:.85rem;margin-top:.4rem}
.notes p{margin:.1rem 0;max-width:100ch}
.scroll{overflow-x:auto;max-width:100%;border-bottom:1px solid var(--ink);border-top:2px solid var(--ink);
 width:fit-content}
.scroll:focus-visible{outline:2px solid #0b5394;outline-offset:2px}
table{border-collapse:separate;border-spacing:0;font-size:.875rem;line-height:1.35;
 font-variant-numeric:tabular-nums lining-nums}
th,td{padding:.28rem .65rem;text-align:right;white-space:nowrap;font-weight:400}
thead th{font-weight:600;min-width:4rem;vertical-align:bottom;white-space:normal;
 border-bottom:1px solid var(--ink)}
thead tr:first-child:not(:last-child) th{text-align:left;border-bottom:0}
thead th.group{box-shadow:inset .4rem 0 #fff,inset -.4rem 0 #fff,inset 0 -1px var(--soft)}
th[scope=row],th.text,td.text{text-align:left}
th[scope=row],thead tr:last-child th:first-child,thead td{position:sticky;left:0;background:#fff;z-index:1}
tbody tr:hover th,tbody tr:hover td{background:var(--shade)}
tbody:not(:last-child) tr:last-child>*{border-bottom:1px solid var(--line)}
tr.group th{text-align:left;font-weight:600;padding-top:.5rem}
tr.group span{position:sticky;left:.65rem}
td.long{white-space:normal;min-width:16rem;max-width:48rem}
b{font-weight:700}
u{text-decoration-thickness:1px;text-underline-offset:2px}
small{color:var(--soft);font-size:.8em}
.panels{display:grid;align-items:end;
 grid-template-columns:repeat(auto-fill,minmax(min(100%,23rem),1fr));gap:1.1rem 1.5rem}
.panels div{min-width:0;break-inside:avoid}
.panels svg{display:block;width:100%;height:auto;max-width:30rem}
.legend{display:flex;flex-wrap:wrap;gap:.15rem 1.1rem;list-style:none;
 margin:.2rem 0 .9rem;padding:0;font-size:.875rem}
.legend li{display:flex;align-items:center;gap:.4rem;min-width:0}
.legend svg{flex:none;width:2.6rem;height:1rem}
details{margin:.6rem 0}
details .scroll{margin-top:.5rem}
summary{cursor:pointer}
summary h2{display:inline-block;border:0;margin:0}
details.section{margin-top:2.6rem;border-top:2px solid var(--ink);padding-top:.5rem}
pre{font-size:.78rem;line-height:1.35;overflow:auto;max-height:30rem;background:var(--shade);
 padding:.7rem;margin:.3rem 0}
@media (max-width:600px){body{font-size:15px}table{font-size:.8rem}th,td{padding:.25rem .45rem}
 th[scope=row]{min-width:5.2rem;max-width:9.5rem;white-space:normal}
 tr.group span{left:.45rem}}
@media print{body{max-width:none;padding:0;font-size:10pt}nav{display:none}table{font-size:7.5pt}
 th,td{padding:.12rem .3rem;white-space:normal}.scroll{overflow:visible;width:auto}
 th[scope=row],thead tr:last-child th:first-child,thead td{position:static}
 h2{break-after:avoid}figcaption{break-after:avoid}tr{break-inside:avoid}
 .panels{grid-template-columns:repeat(3,1fr);gap:.6rem}pre{max-height:none;white-space:pre-wrap}}
""".strip()
