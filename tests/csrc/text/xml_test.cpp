#include "engine/text/xml.h"

#include <doctest/doctest.h>

#include <string>

using namespace s3dlio::text;

namespace {

// The text of the root's only interesting child <a>, or "!<failure>".
std::string text_of_a(std::string_view document) {
  XmlReader xml(document);
  xml.enter_root();
  std::string found;
  std::string_view name;
  while (xml.next_child(name)) {
    if (name == "a") {
      found = xml.text();
    } else {
      xml.skip();
    }
  }
  if (!xml.finish()) return std::string("!").append(xml.failure());
  return found;
}

std::string nested(int depth) {
  std::string out = "<r>";
  for (int i = 0; i < depth; ++i) out += "<x>";
  for (int i = 0; i < depth; ++i) out += "</x>";
  return out + "</r>";
}

}  // namespace

TEST_CASE("texts are read with entities, character data and comments") {
  CHECK(text_of_a("<r><a>plain</a></r>") == "plain");
  CHECK(text_of_a("<?xml version=\"1.0\"?>\n<r xmlns='x'><a>x &amp; &lt;y&gt; &quot;&apos;</a></r>\n") ==
        "x & <y> \"'");
  CHECK(text_of_a("<r><a>&#65;&#x42;&#x1F600;&#xe9;&#13;&#1;</a></r>") == "AB\xF0\x9F\x98\x80\xC3\xA9\r\x01");
  CHECK(text_of_a("<r><a>1<!-- no <b> -->2<![CDATA[<&amp;>]]>3<?p ?>4</a></r>") == "12<&amp;>34");
  CHECK(text_of_a("<r><a>1<b>dropped<c/></b>2</a></r>") == "12");
  CHECK(text_of_a("<r><a/></r>").empty());
  CHECK(text_of_a("<r><a></a></r>").empty());
  CHECK(text_of_a("<r><b><a>not this one</a></b><a>this</a></r>") == "this");
  CHECK(text_of_a("<ns:r><ns:a k=\"v>\" l='\"'>x</ns:a></ns:r>") == "x");
  CHECK(text_of_a("  \n <r ><a\n>  spaces kept </a ></r >") == "  spaces kept ");
  CHECK(text_of_a("\xEF\xBB\xBF<r><a>bom</a></r>") == "bom");
  CHECK(text_of_a("<r><a>line\r\nkept</a></r>") == "line\r\nkept");
}

TEST_CASE("what is broken is refused") {
  for (const std::string_view bad : {"",
                                     "text",
                                     "<",
                                     "<r",
                                     "<r>",
                                     "<r><a>",
                                     "<r><a>x</b></r>",
                                     "<r></r><r/>",
                                     "<r></r>tail",
                                     "<r><a>&bad;</a></r>",
                                     "<r><a>&amp</a></r>",
                                     "<r><a>&#0;</a></r>",
                                     "<r><a>&#xD800;</a></r>",
                                     "<r><a>&#x110000;</a></r>",
                                     "<r><a>&#;</a></r>",
                                     "<r><a>&#x;</a></r>",
                                     "<r><a>&#99999999999;</a></r>",
                                     "</r>",
                                     "<r><!-- open</r>",
                                     "<r><![CDATA[open</r>",
                                     "<r><a k=\"v></r>",
                                     "<r><a <b></a></r>",
                                     "<r></ ></r>",
                                     "<!DOCTYPE r [<!ENTITY e \"x\">]><r><a>&e;</a></r>",
                                     "<r><!ELEMENT a></r>",
                                     "<r></a/></r>"}) {
    CAPTURE(bad);
    const std::string got = text_of_a(bad);
    CHECK(got.starts_with("!"));
    CHECK(got.size() > 1);
  }
  CHECK(text_of_a(std::string_view("<r><a>x\0y</a></r>", 17)) == "!holds a NUL");
}

TEST_CASE("every broken-off beginning of a document is an error") {
  const std::string whole = "<?xml version=\"1.0\"?><r k=\"v\"><a>x&amp;y</a><b/><!-- c --><![CDATA[d]]></r>";
  CHECK(text_of_a(whole) == "x&y");
  for (size_t size = 0; size < whole.size(); ++size) CHECK(text_of_a(whole.substr(0, size)).starts_with("!"));
}

TEST_CASE("nesting and size have an end") {
  CHECK(text_of_a(nested(31)).empty());
  CHECK(text_of_a(nested(32)) == "!nested deeper than 32 levels");
  CHECK(text_of_a(nested(100000)) == "!nested deeper than 32 levels");
  std::string large = "<r><a>";
  large.append(XmlReader::kMaxBytes, 'x');
  large += "</a></r>";
  CHECK(text_of_a(large) == "!larger than 16 MiB");
}

TEST_CASE("a root may be empty") {
  XmlReader xml("<r/>");
  std::string_view name;
  CHECK(xml.enter_root() == "r");
  CHECK_FALSE(xml.next_child(name));
  CHECK(xml.finish());
}

TEST_CASE("a document that was not read to its end is not finished") {
  XmlReader xml("<r><a/></r>");
  xml.enter_root();
  CHECK_FALSE(xml.finish());
}

TEST_CASE("what we write is read back") {
  const std::string text = "a<b>&\"c'\r\n\td\u00fc";
  std::string document = "<r><a>";
  append_xml(document, text);
  document += "</a></r>";
  CHECK(text_of_a(document) == text);
}
