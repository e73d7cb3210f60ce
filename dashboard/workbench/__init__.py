"""The parts of the SQL page: questions, editor, schema, results, saved queries."""
