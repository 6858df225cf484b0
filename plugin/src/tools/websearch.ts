// OpenCode 1.18.33's own words and arguments.
import type { ToolDefinition } from "./definition.ts";

const year = new Date().getFullYear();

export const websearch: ToolDefinition = {
  id: "websearch",
  description: `- Search the web using the session's web search provider - performs real-time web searches and can scrape content from specific URLs
- Provides up-to-date information for current events and recent data
- Supports configurable result counts and returns the content from the most relevant websites
- Use this tool for accessing information beyond knowledge cutoff
- Searches are performed automatically within a single API call

Usage notes:
  - Supports live crawling modes when available: 'fallback' (backup if cached unavailable) or 'preferred' (prioritize live crawling)
  - Search types when available: 'auto' (balanced), 'fast' (quick results), 'deep' (comprehensive search)
  - Configurable context length for optimal LLM integration
  - Domain filtering and advanced search options available

The current year is ${year}. You MUST use this year when searching for recent information or current events
- Example: If the current year is 2026 and the user asks for "latest AI news", search for "AI news 2026", NOT "AI news 2025"
`,
  schema: {
    type: "object",
    properties: {
      query: { type: "string", description: "Websearch query" },
      numResults: { type: "number", description: "Number of search results to return (default: 8)" },
      livecrawl: {
        type: "string",
        enum: ["fallback", "preferred"],
        description:
          "Live crawl mode - 'fallback': use live crawling as backup if cached content unavailable, 'preferred': prioritize live crawling (default: 'fallback')",
      },
      type: {
        type: "string",
        enum: ["auto", "fast", "deep"],
        description: "Search type - 'auto': balanced search (default), 'fast': quick results, 'deep': comprehensive search",
      },
      contextMaxCharacters: {
        type: "number",
        description: "Maximum characters for context string optimized for LLMs (default: 10000)",
      },
    },
    required: ["query"],
  },
};
