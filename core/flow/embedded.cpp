// The default agent in the binary, so that it runs from anywhere.
#include "core/flow/embedded.hpp"

#include <cstddef>

__asm__(
    ".section .rodata.call_agents, \"a\"\n"
    ".global call_agent_survey\n"
    ".global call_agent_survey_end\n"
    "call_agent_survey:\n"
    ".incbin \"" CALL_FLOW_AGENTS
    "/survey.toml\"\n"
    "call_agent_survey_end:\n"
    ".byte 0\n"
    ".previous\n");

extern "C" {
extern const char call_agent_survey[];
extern const char call_agent_survey_end[];
}

namespace call::flow {

std::string_view embedded_survey() {
  return {call_agent_survey, static_cast<std::size_t>(call_agent_survey_end - call_agent_survey)};
}

}  // namespace call::flow
