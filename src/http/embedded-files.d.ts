/** Files of packages that are embedded as they are; the import gives the path of each. */
declare module 'swagger-ui-dist/swagger-ui-bundle.js' {
  const path: string;
  export default path;
}
declare module 'swagger-ui-dist/swagger-ui.css' {
  const path: string;
  export default path;
}
declare module 'redoc/bundles/redoc.standalone.js' {
  const path: string;
  export default path;
}
