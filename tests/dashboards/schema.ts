// What a dashboard must be, by the types that Grafana publishes as @grafana/schema.
//
// JSON has no enums: `Json` lets the texts of an enum stand for it and leaves everything else as strict as it is, so that keys that
// the schema has not are errors. Panels are held against the options and the fields of their own kind.

import type {
  AnnotationQuery,
  Dashboard,
  DataQuery,
  FieldConfig,
  FieldConfigSource,
  Panel,
} from '@grafana/schema';
import type { Options as BarGaugeOptions } from '@grafana/schema/dist/esm/raw/composable/bargauge/panelcfg/x/BarGaugePanelCfg_types.gen';
import type { Options as StatOptions } from '@grafana/schema/dist/esm/raw/composable/stat/panelcfg/x/StatPanelCfg_types.gen';
import type {
  FieldConfig as TableFields,
  Options as TableOptions,
} from '@grafana/schema/dist/esm/raw/composable/table/panelcfg/x/TablePanelCfg_types.gen';
import type {
  FieldConfig as TimeSeriesFields,
  Options as TimeSeriesOptions,
} from '@grafana/schema/dist/esm/raw/composable/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen';

type Json<T> = T extends string
  ? `${T}`
  : T extends number | boolean | null | undefined
    ? T
    : T extends Array<infer E>
      ? Array<Json<E>>
      : T extends object
        ? { [K in keyof T]: Json<T[K]> }
        : T;

// A query of the Prometheus data source, whose own types are in its plugin.
interface PrometheusQuery extends DataQuery {
  datasource: { type: 'prometheus'; uid: string };
  expr: string;
  legendFormat: string;
  instant: boolean;
  range: boolean;
  format?: 'table';
  editorMode: 'code';
}

// Its annotations say how they are worded.
interface PrometheusAnnotation extends AnnotationQuery<PrometheusQuery> {
  titleFormat?: string;
  tagKeys?: string;
}

type Fields<Custom> = Omit<FieldConfigSource, 'defaults'> & { defaults: Omit<FieldConfig, 'custom'> & Custom };

type PanelOf<Kind extends string, Options, Custom> = Omit<Panel, 'type' | 'options' | 'fieldConfig' | 'targets'> & {
  type: Kind;
  title: string;
  targets: PrometheusQuery[];
  options: Options;
  fieldConfig: Fields<Custom>;
};

type AnyPanel =
  | PanelOf<'timeseries', TimeSeriesOptions, { custom: TimeSeriesFields }>
  | PanelOf<'stat', StatOptions, { custom?: never }>
  | PanelOf<'bargauge', BarGaugeOptions, { custom?: never }>
  | PanelOf<'table', TableOptions, { custom: TableFields }>;

export type Built = Json<
  Omit<Dashboard, 'panels' | 'annotations'> & {
    uid: string;
    title: string;
    panels: AnyPanel[];
    annotations: { list: PrometheusAnnotation[] };
  }
>;
