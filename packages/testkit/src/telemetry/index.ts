export { parseScrape, type Scrape, type Series, scrape, seriesIn, valueIn } from "./scrape.ts";
export { type CollectedSpan, type SpanCollector, startSpanCollector } from "./span-collector.ts";
