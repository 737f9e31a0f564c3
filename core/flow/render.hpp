// Prompts with variables: "Hello {first_name|there}." A variable is always given with what to say
// when it is missing or when the voice cannot pronounce it (a Hebrew name, an emoji), so that no
// callee hears half a sentence. Pure.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "core/base/result.hpp"

namespace call::flow {

using Variables = std::map<std::string, std::string>;

/// Errc::invalid_argument for a brace without its partner, a bad name, or a variable without "|".
Status check_template(std::string_view text);
enum class Reader {
  embedded_voice,  ///< a value is taken only if all of it can be pronounced
  anyone,          ///< a language model, or a voice that knows every script
};
/// The text to be spoken, or to be read.
std::string render(std::string_view text, const Variables& variables,
                   Reader reader = Reader::embedded_voice);
/// What a call says of its callee: the parameters "var.NAME" and "name", and first_name out of it.
Variables variables_of(const std::map<std::string, std::string>& parameters);

}  // namespace call::flow
