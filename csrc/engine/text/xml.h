// Reads the XML of S3's answers from front to back, without building a tree. Hostile input ends in failed(), never
// worse. No DTD; the five named entities and numeric ones; at most 16 MiB and 32 levels. Namespaces are dropped.
//
//   XmlReader xml(body);
//   if (xml.enter_root() != "Error") ...
//   std::string_view name;
//   while (xml.next_child(name)) {        // false at the parent's end tag, and on failure
//     if (name == "Code") code = xml.text(); else xml.skip();
//   }
//   if (!xml.finish()) ...                // broken off, trailing text, ...
#pragma once

#include <array>
#include <cstddef>
#include <string>
#include <string_view>

namespace s3dlio::text {

class XmlReader {
 public:
  static constexpr size_t kMaxBytes = 16 << 20;
  static constexpr size_t kMaxDepth = 32;

  explicit XmlReader(std::string_view document);

  // The root's name; "" on failure.
  std::string_view enter_root();
  // Enters the next child element of the element we are in and names it. False: the parent has ended and was left.
  // Each child entered must be left by text(), skip() or its own next_child() loop.
  bool next_child(std::string_view& name);
  // The text of the element we are in (texts around its children joined, children dropped), and leaves it. The view
  // holds until the next call.
  std::string_view text();
  void skip();
  // After the root was left: true when nothing failed and nothing follows.
  bool finish();

  bool failed() const { return !inner_failure_.empty(); }
  std::string_view failure() const { return inner_failure_; }  // what was wrong, for an error message

 private:
  enum class Tag { kOpen, kEmpty, kClose, kNone };

  void fail(std::string_view what);
  bool at_end() const { return inner_at_ >= inner_text_.size(); }
  bool skip_past(std::string_view mark);
  // Passes comments, processing instructions and (into inner_scratch_, when `keep`) character data up to a tag.
  Tag next_tag(bool keep, std::string_view& name);
  Tag read_tag(std::string_view& name);
  bool skip_attributes(bool& empty);
  void keep_text(std::string_view raw);
  bool decode_entity(std::string_view& rest);
  void push(std::string_view name);
  void pop(std::string_view name);

  std::string_view inner_text_;
  size_t inner_at_ = 0;
  std::array<std::string_view, kMaxDepth> inner_open_{};
  size_t inner_depth_ = 0;
  bool inner_pending_end_ = false;  // the element entered last was <empty/>
  std::string inner_scratch_;
  std::string_view inner_failure_;
};

// `text` with & < > " and the control characters XML can carry escaped, for documents we send.
void append_xml(std::string& out, std::string_view text);

}  // namespace s3dlio::text
