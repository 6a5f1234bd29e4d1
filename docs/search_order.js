/* Order of search results. Words lead to pages that explain; names of the code, such as RedisStore or django_keys, to the
   reference. Overviews, pages for maintainers and lists of changes come last. Sphinx reads this before its own script. */
const soughtWords = new URLSearchParams(location.search).get("q") ?? "";
const seeksName = /[a-z][A-Z][a-z]|[_.]/.test(soughtWords);

var Scorer = {
  objNameMatch: seeksName ? 11 : 3,
  objPartialMatch: seeksName ? 6 : 1,
  objPrio: seeksName ? { 0: 15, 1: 5, 2: -5 } : { 0: 0, 1: 0, 2: -5 },
  objPrioDefault: 0,
  title: 15,
  partialTitle: 7,
  term: 5,
  partialTerm: 2,
  score([docname, , , , score, , kind]) {
    if (kind === "object") return score;
    if (/^(index|architecture|benchmarks|mock-slurm)$|\/changes$/.test(docname)) return score - 4;
    return docname.endsWith("/reference") ? score - 2 : score;
  },
};
