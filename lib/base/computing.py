"""What of a statement computes something; the rest is no part of a definition's hash."""

import ast

SAYING = ("print", "say", "display")


def computed(text: str) -> list[str]:
    """What a whole file computes, statement by statement."""
    return [ast.dump(Computing().visit(node)) for node in ast.parse(text).body if not is_text(node)]


def checks(method: ast.FunctionDef) -> bool:  # and so makes the values that are hashed
    return any("validator" in ast.unparse(decorator) for decorator in method.decorator_list)


def is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def for_types(node: ast.stmt) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


class Computing(ast.NodeTransformer):
    """Takes out what computes nothing."""

    in_class = False

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.returns = None
        return self._body(node, in_class=False)

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        return self._body(node, in_class=True)

    def _body(self, node: ast.FunctionDef | ast.ClassDef, in_class: bool) -> ast.AST:
        node.body = [part for part in node.body if not is_text(part)] or [ast.Pass()]
        outer, self.in_class = self.in_class, in_class
        try:
            return self.generic_visit(node)
        finally:
            self.in_class = outer

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        if self.in_class:  # the type of a field is checked, or decides what the field is
            return self.generic_visit(node)
        if node.value is None:
            return ast.Pass()
        return self.generic_visit(ast.Assign([node.target], node.value))

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.annotation = None
        return node

    def visit_Raise(self, node: ast.Raise) -> ast.AST:
        if isinstance(node.exc, ast.Call):
            node.exc = node.exc.func
        return node

    def visit_Expr(self, node: ast.Expr) -> ast.AST:
        call = node.value.func if isinstance(node.value, ast.Call) else None
        name = call.attr if isinstance(call, ast.Attribute) else getattr(call, "id", None)
        return ast.Pass() if name in SAYING else self.generic_visit(node)
